#!/usr/bin/env bash
# Serves this folder: with tensorflow_model_server if it is installed, otherwise with Docker
# (compose.yaml). Arguments are passed to the server, or to `docker compose up`.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# With these kernels the last bits of a row do not depend on the other rows of the batch. By default
# only CPUs with AVX-512 use them.
export TF_ENABLE_ONEDNN_OPTS=${TF_ENABLE_ONEDNN_OPTS:-1}

if command -v tensorflow_model_server >/dev/null; then
  # models.config names the folder as the container sees it. The protobuf text format and sed give
  # some characters of the path a special meaning, so they are escaped.
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
