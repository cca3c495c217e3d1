#!/bin/sh
# Writes the lists of exact versions with their hashes. No registry's address: any mirror will do.
#   runtime.txt  a service with its own Redis    run.txt  with the embedded store, and what builds
#   dev.txt      with what tests and checks need  uv.txt   the installer
set -eu
cd "$(dirname "$0")/.."
compile() {
    out=$1
    shift
    "$UV" pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-header --no-annotate --output-file "requirements/$out" "$@"
}
UV=${1:-uv}
compile runtime.txt pyproject.toml
compile run.txt pyproject.toml --extra embedded --group build
compile dev.txt pyproject.toml --extra embedded --group build --group dev
echo uv | compile uv.txt -
