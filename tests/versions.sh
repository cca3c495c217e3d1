#!/bin/bash
# Runs the tests of the service with other versions than the pinned ones:
#   tests/versions.sh [lowest] [newest] [3.12] [3.13] [3.14]   the default: all of them
# lowest   the lowest libraries that pyproject.toml allows, by requirements/lowest.txt
# newest   the newest that it allows today, which may be newer than the pinned ones
# 3.x      the pinned ones with another Python, if it is on PATH or pyenv has it
# Left out is what does not change with a library of the service or with Python, so that `make test`
# is enough for it:
#   client, pages in a browser          what runs there is our JavaScript
#   conference, e2e, soak, collector    whole systems: other programs, and minutes of load
#   bridge, truth                       the tests' own bridge, and what recordings tell
#   crowds, verdict/test_mutations.py   simulated crowds told to rules that are arithmetic: their
#                                       parts are tried by the rest of verdict/ and by simulate/
#   model/test_kills.py                 services killed for many seconds: Redis keeps what is kept,
#                                       and model/test_model.py tells the same of services that live
#   fuzz, repository, tools             no part of the service
set -eu
cd "$(dirname "$0")/.."
uv=$PWD/.venv/bin/uv
[ $# -gt 0 ] || set -- lowest newest 3.12 3.13 3.14
left_out="bridge client collector conference crowds e2e fuzz model/test_kills.py pages/test_axe.py
    pages/test_in_a_browser.py pages/test_watching.py repository soak tools truth
    verdict/test_mutations.py"

interpreter() { # version -> its path, or nothing
    for each in "$(command -v "python$1")" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python"$1"; do
        if [ -x "$each" ] && "$each" -c 'import ensurepip' 2>/dev/null; then
            echo "$each"
            return
        fi
    done
}

try() { # name python; the lists of requirements on stdin
    folder=.cache/versions/$1
    "$uv" venv --quiet --clear --python "$2" "$folder"
    install() { "$uv" pip install --quiet --compile-bytecode --python "$folder/bin/python" "$@"; }
    if [ "$1" = newest ]; then
        install --editable '.[embedded]' --group dev --group build
    else
        install --require-hashes -r "requirements/$([ "$1" = lowest ] && echo lowest || echo dev).txt"
        install --no-deps --no-build-isolation --editable .
    fi
    run() {
        "$folder/bin/python" -m pytest -q -o cache_dir="$PWD/$folder/pytest" \
            $(printf -- '--ignore=tests/%s ' $left_out) "$@" tests
    }
    run -n 4 --dist loadfile --no-loadscope-reorder && return
    # A version fails each time, a busy machine does not: `make test` is where that is looked into.
    echo "$1: those that failed, one after the other"
    run --last-failed --last-failed-no-failures none
}

said=
failed=0
for name in "$@"; do
    case $name in
    lowest | newest) python=.venv/bin/python ;;
    *) python=$(interpreter "$name") ;;
    esac
    if [ -z "$python" ]; then
        result="not here"
    elif try "$name" "$python"; then
        result=passed
    else
        result=failed
        failed=1
    fi
    said+=$(printf '%-8s %s' "$name" "$result")$'\n'
done
printf '\n%s' "$said"
exit $failed
