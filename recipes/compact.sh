#!/bin/sh
# sh recipes/compact.sh DATA [a.b=c ...]
#
# The compact model from the folder of FER+, the portraits and their readings, all of it: portraits are cut out, the
# vision encoder learns expressions and action units, the readers of units are fitted to it, texts are made with these
# units, the model is trained and calibrated, and labels are read from its encoder. From a checkout, in its folder:
# `fit-units` writes to src/expllm/assets. All else goes to runs/compact_model, or to OUT=DIR. Every step goes on where
# it was cut, and what is done is left alone: call the same again. Settings behind DATA are those of
# recipes/compact.yaml.
#
# BEGIN=MODEL STEPS=3200: what the encoder begins with, and how long it learns. LIMIT=N: texts of N faces of each set.
# UNITS=no leaves the readers as they are.
set -eu

data=${1:?DATA with the Parquet files of FER+ and the portraits}
shift
out=${OUT:-runs/compact_model}
python=${PYTHON:-.venv/bin/python}
expllm=${EXPLLM:-.venv/bin/expllm}
model=$out/training/2-instruct/model
mkdir -p "$out"

# 3: done, but some pictures show no face, or cannot be read; they are named, and left out.
some() { "$@" || [ $? -eq 3 ]; }
# once MARK COMMAND...: what ended well is not done again.
once() {
  mark=$out/$1.done
  shift
  [ -e "$mark" ] || { "$@" && : > "$mark"; }
}

once crops "$python" scripts/crop_portraits.py "$data"/portraits_train-*.parquet -o "$out/crops"
once tower "$python" scripts/train_tower.py --data "$data" --crops "$out/crops" \
  --begin "${BEGIN:-src/expllm/assets/compact}" --steps "${STEPS:-3200}" --units 10 --strength 0.5 --mix 0 --lr 5e-4 \
  -o "$out/tower"
[ "${UNITS:-yes}" = no ] || once units make fit-units TOWER="$out/tower" DATA="$data" CROPS="$out/crops"
for set in ferplus portraits; do
  some "$expllm" cot make "$data/$set:train" --au-source both ${LIMIT:+--limit "$LIMIT"} -o "$out/texts_$set"
done
"$expllm" train recipes/compact.yaml data.root="$data" "data.texts=[$out/texts_ferplus, $out/texts_portraits]" \
  model.tower="$out/tower/tower.safetensors" "$@" -o "$out/training"
some "$expllm" model calibrate "$model" ferplus:valid --flip-averaging --data-root "$data" -o "$out/valid"
once head "$python" scripts/fit_label_head.py "$model" --data "$data" --cache "$out/features.npz"
"$expllm" eval report "$out/valid" --data-root "$data" -o "$out/report.html"
