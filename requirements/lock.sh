#!/bin/sh
# Writes the lists of exact versions with their hashes. No registry's address: any mirror will do.
#   runtime.txt  a service with its own Redis    run.txt  with the embedded store, and what builds
#   dev.txt      with what tests and checks need  uv.txt   the installer
#   lowest.txt   the lowest versions that pyproject.toml allows, with dev.txt's tools
#   bench.txt    beside dev.txt, what only `make bench` needs; fuzz.txt, what only `make fuzz` does
#   package-lock.json in the root: what checks the browser's file
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
lowest=$(mktemp)
trap 'rm -f "$lowest"' EXIT
"$UV" pip compile --quiet --universal --python-version 3.11 --resolution lowest-direct \
    --no-emit-index-url --no-header --no-annotate --output-file "$lowest" \
    pyproject.toml --extra embedded
compile lowest.txt pyproject.toml --extra embedded --group build --group dev --constraint "$lowest"
compile bench.txt --group bench --constraint requirements/dev.txt
compile fuzz.txt --group fuzz --constraint requirements/dev.txt
echo uv | compile uv.txt -

# The versions are package.json's: the newest Biome is not always there for all platforms.
npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved --no-audit
node -e 'const fs = require("fs"), lock = JSON.parse(fs.readFileSync("package-lock.json"));
    for (const each of Object.values(lock.packages)) delete each.funding;
    fs.writeFileSync("package-lock.json", JSON.stringify(lock, null, 2) + "\n");'
if grep -E '"resolved"|://' package-lock.json; then exit 1; fi
