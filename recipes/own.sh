#!/bin/sh
# sh recipes/own.sh FOLDER [a.b=c ...]
#
# From faces in folders named by expression to a calibrated model and a page about it (docs/own_data.md).
# All goes to runs/own, or to OUT=DIR; settings behind FOLDER are those of recipes/own.yaml. Every step goes on
# where it was cut: call the same again.
set -eu

faces=${1:?FOLDER with a folder of pictures for each expression}
shift
out=${OUT:-runs/own}
model=$out/training/1-instruct/model

# 3: done, but some pictures show no face, or cannot be read; they are named, and left out.
some() { "$@" || [ $? -eq 3 ]; }

some expllm cot make "$faces" -o "$out/texts"
expllm train "$(dirname "$0")/own.yaml" data.root="$faces" data.texts="$out/texts" "$@" -o "$out/training"
# Fewer than 50 validation faces are too few for a temperature: the model stays as it is, and is only scored.
some expllm model calibrate "$model" "$faces:valid" -o "$out/valid" ||
  some expllm eval accuracy "$model" "$faces:valid" -o "$out/valid"
expllm eval report "$out/valid" -o "$out/report.html"
