# The step's summary and annotations of a run. What the run is worth by itself was its own step's exit code; where a
# policy was given, what that makes of it is this step's. A report that could not be made is told, and is red.
set -uo pipefail
if [ -z "$STEP_RUN" ]; then
    echo "There is no run to report on." | tee -a "$GITHUB_STEP_SUMMARY"
    exit 0
fi
arguments=(report "$STEP_RUN" --github)
if [ -n "$STEP_POLICY" ]; then arguments+=(--policy "$STEP_POLICY"); fi
code=0
"$CUTPROOF" "${arguments[@]}" || code=$?
case $code in
    # Judgements, which are in the report.
    0 | 1 | 4 | 5 | 6) if [ -z "$STEP_POLICY" ]; then code=0; fi ;;
    *)
        echo "::error title=cutproof report::the report could not be made: exit code $code; see the log of this step"
        ;;
esac
exit "$code"
