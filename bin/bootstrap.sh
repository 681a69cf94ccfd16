# Finds a Python that is new enough and hands over to bootstrap.py. Tries each by running it:
# a name on the PATH may be a shim with nothing behind it.
for python in python3 python3.13 python3.12 python3.11 python3.14 python; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$python" "$(dirname "$0")/bootstrap.py" "$@"
    fi
done
echo "RiskReg needs Python 3.11 or later, and none was found on the PATH." >&2
echo "Debian, Ubuntu: sudo apt-get install -y python3 python3-venv; others: https://www.python.org/downloads/" >&2
exit 1
