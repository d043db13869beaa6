# One verb of cutproof, in a step. Its exit code is the step's; the outputs `run` and `exit-code` are written whatever
# came of it.
set -uo pipefail

refuse() {
    echo "::error title=cutproof::$1"
    echo "exit-code=2" >>"$GITHUB_OUTPUT"
    exit 2
}
case $STEP_EVIDENCE_DIR$STEP_SHARDS in *[[:cntrl:]]*) refuse "a folder's name has a control character" ;; esac

# The folders of the runs below a folder, without those of runs within them.
runs() {
    find "$1" -type f -name journal.jsonl -not -path '*/runs/*' -printf '%h\n' 2>/dev/null | sort
}

arguments=()
while IFS= read -r argument; do
    if [ -n "$argument" ]; then arguments+=("$argument"); fi
done <<<"$STEP_ARGS"

measure() {
    arguments=("$@" --profile "$STEP_PROFILE" --evidence-dir "$STEP_EVIDENCE_DIR" ${arguments[@]+"${arguments[@]}"})
    if [ -n "$STEP_PARTITION" ]; then arguments+=(--partition "$STEP_PARTITION"); fi
    # It is the child of this shell that is told to end when the job is cancelled: SIGTERM, since a shell has what runs
    # in its background ignore SIGINT. Gates get their time to end, and evidence is written.
    "$CUTPROOF" "${arguments[@]}" &
    local child=$! code=0
    trap 'kill -TERM "$child" 2>/dev/null' INT TERM
    wait "$child" || code=$?
    # A trap ends `wait`, not the child.
    while kill -0 "$child" 2>/dev/null; do
        code=0
        wait "$child" || code=$?
    done
    return "$code"
}

merge() {
    local shards=() code=0
    mapfile -t shards < <(runs "$STEP_SHARDS")
    if [ ${#shards[@]} -eq 0 ]; then
        echo "error: expected the runs of all shards below $STEP_SHARDS, and there is none" >&2
        return 4
    fi
    "$CUTPROOF" merge "${shards[@]}" --output "$STEP_EVIDENCE_DIR/merged" ${arguments[@]+"${arguments[@]}"} || code=$?
    if [ -d "$STEP_EVIDENCE_DIR/merged" ]; then
        "$CUTPROOF" verify "$STEP_EVIDENCE_DIR/merged" || { local verified=$?; [ "$code" -ne 0 ] || code=$verified; }
    fi
    return "$code"
}

mkdir -p -- "$STEP_EVIDENCE_DIR"
before=$(runs "$STEP_EVIDENCE_DIR")
said=$(mktemp)
exec 3> >(exec tee "$said" >&2)
tee=$!
# What services and gates print is nobody's word: no line of it is a command until the token, which nobody can guess.
token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
echo "::stop-commands::$token"
code=0
case $STEP_VERB in
    rehearse)
        verb=(rehearse)
        if [ -n "$STEP_PARTITION" ]; then verb+=(--gates-only); fi
        if [ -n "$STEP_PROVISION" ]; then verb+=(--provision "$STEP_PROVISION"); fi
        measure "${verb[@]}" 2>&3 3>&- || code=$?
        ;;
    gates-run) measure gates run 2>&3 3>&- || code=$? ;;
    merge) merge 2>&3 3>&- || code=$? ;;
    *) echo "error: expected the verb rehearse, gates-run or merge, and saw: $STEP_VERB" >&3; code=2 ;;
esac
exec 3>&-
# What is left running may hold its stderr: nobody waits for that.
for _ in {1..20}; do kill -0 "$tee" 2>/dev/null && sleep 0.1; done
echo "::$token::"

if [ "$STEP_VERB" = merge ]; then
    run=$STEP_EVIDENCE_DIR/merged
    if [ ! -d "$run" ]; then run=; fi
else
    run=$(comm -13 <(echo "$before") <(runs "$STEP_EVIDENCE_DIR") | tail -n 1)
fi
# Where there is no run there is nothing that a report could tell: what was said on stderr is.
if [ -z "$run" ] && [ "$code" -ne 0 ]; then
    told=$(sed -n '/^error:/,$p' "$said" | head -c 3000)
    told=${told#error: }
    told=${told:-cutproof ended with exit code $code}
    told=${told//'%'/%25}
    told=${told//$'\r'/%0D}
    told=${told//$'\n'/%0A}
    echo "::error title=cutproof ${STEP_VERB//[^a-z-]/}::$told"
fi
{ echo "run=$run"; echo "exit-code=$code"; } >>"$GITHUB_OUTPUT"
exit "$code"
