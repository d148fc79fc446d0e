#!/bin/sh
# HEAD=HOST-OF-THE-FIRST NODE=0 sh recipes/two_nodes.sh [RECIPE [a.b=c ...]]; on the second machine NODE=1
#
# Two machines with eight cards each. Both need the same data and model at the same paths, and a folder of the
# run that both see (NFS): the first machine writes it, both read it when the training goes on.
set -eu

: "${HEAD:?name or address of the first machine}" "${NODE:?0 on the first machine, 1 on the second}"
[ $# -gt 0 ] || set -- recipes/rafdb.yaml

exec torchrun --nnodes 2 --node-rank "$NODE" --nproc-per-node "${CARDS:-8}" \
  --rdzv-backend c10d --rdzv-endpoint "$HEAD:${PORT:-29500}" --rdzv-id expllm \
  --module expllm train "$@"
