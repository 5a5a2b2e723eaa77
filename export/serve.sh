#!/usr/bin/env bash
# Serves this folder: by tensorflow_model_server where it is installed, else by Docker (compose.yaml).
# Arguments go to the server, or to `docker compose up`.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# The kernels in which a row's last bits do not depend on its neighbours; by default on CPUs with AVX-512 only.
export TF_ENABLE_ONEDNN_OPTS=${TF_ENABLE_ONEDNN_OPTS:-1}

if command -v tensorflow_model_server >/dev/null; then
  # models.config names the folder as the container sees it. Text format and then sed read some signs of the path.
  path=$(printf '%s' "$here" | sed -e 's/["\\]/\\&/g' -e 's/[#&\\]/\\&/g')
  models=$(mktemp)
  trap 'rm -f "$models"' EXIT
  sed "s#\"/models/#\"$path/#" "$here/models.config" >"$models"
  tensorflow_model_server \
    --port=8500 \
    --rest_api_port=8501 \
    --model_config_file="$models" \
    --allow_version_labels_for_unavailable_models=true \
    --enable_batching=true \
    --batching_parameters_file="$here/batching.config" \
    --monitoring_config_file="$here/monitoring.config" \
    --rest_api_timeout_in_ms=300000 \
    --rest_api_num_threads=16 \
    "$@" &
  server=$!
  trap 'kill "$server"' INT TERM
  wait "$server"
elif docker compose version >/dev/null 2>&1; then
  exec docker compose --file "$here/compose.yaml" up "$@"
else
  echo "Serving needs tensorflow_model_server or Docker with Compose; neither was found; install one of them." >&2
  exit 2
fi
