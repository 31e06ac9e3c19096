#!/usr/bin/env bash
# Measures and records everything that needs a GPU, in one call: bash benchmarks/gpu.sh [FOLDER]
# Needs: an installed package, MNIST under $LIT_MNIST_DATA, one CUDA device.
set -euo pipefail
out=${1:-out/gpu}
mkdir -p "$out"
python - <<'CHECK'
import sys, torch
if not torch.cuda.is_available():
    sys.exit("benchmarks/gpu.sh: torch finds no CUDA device")
print(torch.__version__, torch.cuda.get_device_name())
CHECK
nvidia-smi > "$out/nvidia-smi.txt"
python -m benchmarks train --device cuda --out "$out"
python -m benchmarks startup --device cuda --out "$out"
for config in cnn_source cnn_best; do
  python -m lit_mnist fit --config "configs/$config.yaml" --runs_dir "$out/runs" --resume false \
    --trainer.accelerator cuda --json > "$out/$config.json"
done
for seed in $(seq 1 "${SEEDS:-100}"); do
  python -m lit_mnist fit --config configs/cnn_fast.yaml --runs_dir "$out/runs" --resume false \
    --trainer.accelerator cuda --seed_everything "$seed" --json > "$out/cnn_fast_$seed.json"
done
python - "$out" <<'SUMMARY'
import json, statistics, sys
from pathlib import Path

folder = Path(sys.argv[1])
for name in ("cnn_source", "cnn_best"):
    run = json.loads((folder / f"{name}.json").read_text())
    print(f"{name}: test {run['test/acc']:.4f}, {run['train_seconds']:.2f} s of training, {run['wall_seconds']:.2f} s in all")
runs = [json.loads(path.read_text()) for path in folder.glob("cnn_fast_*.json")]
seconds, accuracies = ([run[key] for run in runs] for key in ("train_seconds", "test/acc"))
print(f"cnn_fast, n = {len(runs)}: test mean {statistics.mean(accuracies):.4f}, "
      f"training median {statistics.median(seconds):.3f} s")
SUMMARY
