#!/usr/bin/env bash
# Measures and records everything that needs a GPU, in one call from the repository's root:
#   bash benchmarks/gpu.sh [FOLDER]            on a machine with a CUDA device
#   DEVICE=cpu QUICK=1 bash benchmarks/gpu.sh  a smoke test of this script, without one
# Needs: python3 (or $PYTHON) with torch and lightning, MNIST under $LIT_MNIST_DATA. Wheels in benchmarks/wheels/
# (captum, jsonargparse, ... where the machine has none and no network) are installed into a temporary folder.
# FOLDER holds gpu.md, gpu.json and gpu.log, written anew after each part; the exit code is the number of parts that
# failed. SEEDS=100 and ROUNDS=5 choose numbers; PARTS="tests recipes seeds" runs some parts alone, where the time of
# one call is limited.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-out/gpu}
python=${PYTHON:-python3}
device=${DEVICE:-cuda}
quick=${QUICK:+--quick}
parts=${PARTS:-tests recipes seeds plain profile train startup scaling inside}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1

if compgen -G "benchmarks/wheels/*.whl" > /dev/null; then
  "$python" -m pip install -q --no-index --no-deps --no-compile --upgrade --target "$work/site" \
    benchmarks/wheels/*.whl || exit 1
  export PYTHONPATH="$PYTHONPATH:$work/site"
fi

{
  "$python" - "$device" <<'CHECK' || exit 1
import sys
import torch
import lightning
print("torch", torch.__version__, "lightning", lightning.__version__, "Python", sys.version.split()[0])
if sys.argv[1] == "cuda":
    if not torch.cuda.is_available():
        sys.exit("benchmarks/gpu.sh: torch finds no CUDA device")
    print(torch.cuda.get_device_name(), "CUDA", torch.version.cuda, "cuDNN", torch.backends.cudnn.version())
CHECK
  [ "$device" = cuda ] && nvidia-smi
} 2>&1 | tee "$out/gpu.log"
[ "${PIPESTATUS[0]}" -eq 0 ] || [ "$device" != cuda ] || exit 1

collect() {
  "$python" - "$work/results" "$out" <<'COLLECT'
import json
import sys
from pathlib import Path

results, out = map(Path, sys.argv[1:])
found = {path.stem: json.loads(path.read_text()) for path in sorted(results.glob("*.json"))}
(out / "gpu.json").write_text(json.dumps(found, indent=1))
(out / "gpu.md").write_text("\n".join(path.read_text() for path in sorted(results.glob("*.md"))))
COLLECT
}

failed=0
for part in $parts; do
  echo "== $part" | tee -a "$out/gpu.log"
  case $part in
    # graph = eager, resuming, no synchronisation within an epoch
    tests) command=("$python" -m pytest -q -p no:cacheprovider -o filterwarnings=default tests/training/cuda/test_graphs.py
                    tests/training/cuda/test_graph_runs.py tests/training/cuda/test_copies.py) ;;
    seeds) command=("$python" -m benchmarks seeds --rounds "${SEEDS:-100}") ;;
    recipes) command=("$python" -m benchmarks recipes --rounds 1) ;;
    profile) command=("$python" -m benchmarks profile --rounds 10) ;;
    scaling) command=("$python" -m benchmarks scaling --rounds 3) ;;
    *) command=("$python" -m benchmarks "$part" --rounds "${ROUNDS:-5}") ;;
  esac
  [ "$part" = tests ] || command+=(--device "$device" --out "$work/results" $quick)
  "${command[@]}" 2>&1 | tee -a "$out/gpu.log"
  status=${PIPESTATUS[0]}
  [ "$status" -eq 0 ] || { failed=$((failed + 1)); echo "!! $part failed ($status)" | tee -a "$out/gpu.log"; }
  collect
done

echo "written: $out/gpu.md, $out/gpu.json, $out/gpu.log; parts that failed: $failed" | tee -a "$out/gpu.log"
exit "$failed"
