#!/usr/bin/env bash
# Our strongest classifiers, for one GPU: bash experiments/records.sh DATA [options for each train.py]
#
# DATA is as for train.py, with FER+'s fer2013new.csv beside it. Runs, reports and checkpoints go into records/, or where
# OUT says; PYTHON names the Python to take. Stopped at any time, the same command goes on: what has had all its epochs
# is not trained again.
set -euo pipefail
data=${1:?"say where FER2013 is, e.g. bash experiments/records.sh data/fer2013"}
options=("${@:2}")
out=${OUT:-records}
here=$(dirname "$0")
python=${PYTHON:-.venv/bin/python}
device=$("$python" -c 'import torch; print("cuda" if torch.cuda.is_available() else "cpu")')

# train RECIPE NAME [options]: by a recipe of experiments/configs, with augmentation and data on the device.
train() {
    "$python" "$here/train.py" --config "$here/configs/$1.yaml" --name "$2" --data "$data" --run_dir "$out/runs" \
        --resume auto --devices 1 --augment_on device --data_on device "${@:3}" ${options[@]+"${options[@]}"}
}

# evaluate NAME SPLIT TTA RUN...: one classifier, or several together.
evaluate() {
    local members=() run
    for run in "${@:4}"; do members+=("--checkpoint=$out/runs/$run"); done
    "$python" "$here/evaluate.py" "${members[@]}" --data "$data" --split "$2" --tta "$3" \
        --device "$device" --out "$out/reports/$1-$2-$3"
}

export_run() { "$python" "$here/export.py" "$out/runs/$1" "$out/checkpoints/$2" --data "${3:-$data}"; }

seeds=(resnet/seed0 resnet/seed1 resnet/seed2)
for seed in 0 1 2; do train resnet-record "seed$seed" --seed "$seed"; done

# The small one learns from the three; a teacher that is asked about blends of faces has more to tell.
train cnn-distilled distilled --max_epochs 200 --augment strong \
    --teacher "[$out/runs/resnet/seed0,$out/runs/resnet/seed1,$out/runs/resnet/seed2]"

train vgg19 scratch --unfreeze_epoch 0 --backbone_lr 1
train efficientnet scratch --max_epochs 40 --batch_size 128 --precision bf16-mixed --ema_decay 0.999
train resnet-record ferplus --data "ferplus:$data"

for tta in none flip ten-crop; do
    evaluate resnet val "$tta" "${seeds[@]}"
    evaluate resnet test "$tta" "${seeds[@]}"
done
for seed in 0 1 2; do export_run "resnet/seed$seed" "resnet-seed$seed"; done
export_run cnn/distilled cnn
export_run vgg19/scratch vgg19
export_run efficientnet/scratch efficientnet
export_run resnet/ferplus resnet-ferplus "ferplus:$data"
