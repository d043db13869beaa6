# What follows a cutover's job that failed or was cancelled: waits for a run that still goes on, takes a run that was
# killed back to the old core, and ends well only where the evidence says that all is as it was: nothing was touched, or
# it was rolled back with success and within the limit.
#
#   CUTPROOF               the cutproof that the cutover's job used
#   CUTPROOF_EVIDENCE_DIR  the folder of that one cutover's evidence, on the machine where it ran
set -uo pipefail
shopt -s nullglob
evidence=${CUTPROOF_EVIDENCE_DIR:?}

stop() {
    echo "error: $1" >&2
    exit 1
}

# Of a machine that has never seen the cutover nobody may conclude that there was none.
[ -d "$evidence" ] || stop "expected the cutover's evidence in $evidence on $(hostname), and there is no such folder: \
either the cutover's job ended before its first step, or this is another machine. Look there: cutproof status"

journals=("$evidence"/*/journal.jsonl)
if [ ${#journals[@]} -eq 0 ]; then
    echo "nothing to recover: no run was begun in $evidence, and nothing was touched"
    exit 0
fi
[ ${#journals[@]} -eq 1 ] || stop "expected the evidence of one cutover in $evidence, and there are ${#journals[@]} runs; \
choose one: cutproof cutover --resume RUN --rollback --evidence-dir $evidence"
run=${journals[0]%/journal.jsonl}

# A run that is rolling back by itself is let do so: two would be in each other's way. Its exit code is judged below.
"$CUTPROOF" status "$run" --follow
state=$("$CUTPROOF" status "$run" --format json)
case $state in
    *'"state":"unknown"'*) stop "whether $run still goes on can't be told here: see above, and look on its machine" ;;
esac
# What began and is not on record as a step's beginning touched nothing.
if ! grep -aq '"event":"command_started"' "${journals[0]}"; then
    echo "nothing to recover: $run ended before its first step, and nothing was touched"
    exit 0
fi
case $state in
    *'"state":"killed"'*)
        # Its exit code is that of the cutover, which failed: how the way back went is in the evidence.
        "$CUTPROOF" cutover --resume "$run" --rollback --yes --evidence-dir "$evidence"
        ;;
esac
# The two files tell of steps; whether what was restored is ready is in the journal.
if grep -a '"event":"stage_ended","stage":"rollback_readiness"' "${journals[0]}" | tail -n 1 |
    grep -qv '"verdict":"\(passed\|skipped\)"'; then
    stop "$run was rolled back, and the core that was restored is not ready: a person must look now"
fi
"$CUTPROOF" verify --allow-cutover-rollback --cutover-evidence-file "$run/ctp_cutover_result.env" \
    --rollback-evidence-file "$run/ctp_rollback_result.env" ||
    stop "$run is neither a cutover that is whole nor one that was rolled back as it must be: a person must look now"
