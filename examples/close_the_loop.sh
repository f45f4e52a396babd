#!/usr/bin/env bash
# From the clips of two models to votes, from votes to a better model, and the proof: commands only, offline, on a CPU.
#
#   examples/close_the_loop.sh [FOLDER]        minutes on two cores; everything is written below FOLDER (loop/)
#
# The votes are SIMULATED: programs prefer what the moving-shapes world says is right, and every table, row and
# manifest says so. With people in their place only the fourth step changes: `stepbench prefs serve`.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work=${1:-loop}
python=${PYTHON:-python}
workers=${WORKERS:-2}
prompts=${PROMPTS:-160}   # of the training split: English and Chinese by turns
tests=${TESTS:-128}       # of the test split, which nothing is trained on
steps=${STEPS:-150}       # of Video-DPO
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

stepbench() { "$python" -m stepbench "$@"; }
# One forward pass per step, and few steps: cheap clips. Video-DPO trains the model without guidance, too.
run() { # run MODEL NAME SPLIT LIMIT
    stepbench run -M "step-video:$1" -t moving-shapes --split "$3" --categories one-object -L "$4" \
        --set guidance=1 --set steps=10 -m shape_alignment,flicker \
        --workers "$workers" --keep masters -o "$work/runs" --run-id "$2"
}
say() { printf '\n== %s\n' "$*" >&2; }

say "1. a model that is not finished: tiny, damaged by noise of a fixed seed"
[ -e "$work/models/unfinished/model_index.json" ] || "$python" "$here/unfinished_model.py" "$work/models/unfinished"

say "2. clips of both models for training prompts"
run "$work/models/unfinished" unfinished-train train "$prompts"
run tiny tiny-train train "$prompts"

say "3. a preference study: blind pairs of the two"
[ -e "$work/study/study.sqlite" ] || stepbench prefs new "$work/study" --protocol pairwise
stepbench prefs plan "$work/study" "$work/runs/unfinished-train" "$work/runs/tiny-train" --votes 3 || [ $? -eq 5 ]

say "4. SIMULATED annotators vote"
stepbench prefs simulate "$work/study" "$work/runs/unfinished-train" "$work/runs/tiny-train" \
    --by shape_alignment --annotators 12
stepbench prefs rate "$work/study"

say "5. votes become preferences; a prompt that is evaluated on would stop this"
stepbench prefs export "$work/study" --to dpo -o "$work/preferences" --min-votes 3 --test 0 --runs "$work/runs"

say "6. Video-DPO, held to the model it starts from by a small beta only: that one is damaged"
stepbench train dpo --model "$work/models/unfinished" --recipe tiny --samples 0 \
    --data "$work/preferences/train.jsonl" --test "$work/preferences/val.jsonl" \
    --set "steps=$steps" --set warmup_steps=10 --set learning_rate=5e-4 --set ema_decay=0.95 --set beta=20 \
    --out "$work/training" --export "$work/models/tuned"

say "7. both models on prompts that neither has seen"
run "$work/models/unfinished" unfinished-test test "$tests"
run "$work/models/tuned" tuned-test test "$tests"

say "8. is it better, and has nothing else suffered?"
stepbench compare "$work/runs/unfinished-test" "$work/runs/tuned-test"
stepbench gate "$work/runs/tuned-test" --baseline "$work/runs/unfinished-test" --policy "$here/close_the_loop.gate.toml"
