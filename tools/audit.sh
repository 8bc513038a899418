#!/bin/sh
# Asks a vulnerability service about every version pinned in any lock file, of whatever Python and platform, by pip-audit in
# an environment of its own.
#
# Ends with 0 if nothing is known against them but what tools/audit-ignored.txt explains, with 1 if something is, and with 2
# if no service could be asked about each of them: that is no clean bill. SERVICES: pypi, osv (asked in turn until one answers).
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
SERVICES=${SERVICES:-pypi osv}
OSV_URL=${OSV_URL:-https://api.osv.dev/v1/query}
environment=${AUDIT_ENVIRONMENT:-data/tools/audit}
ignored=${AUDIT_IGNORED:-tools/audit-ignored.txt}
locks=${AUDIT_LOCKS:-$(ls requirements*.lock airflow/requirements*.lock 2>/dev/null || true)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! cmp -s requirements-audit.lock "$environment/installed.lock"; then
    rm -rf "$environment"
    "$PYTHON" -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r requirements-audit.lock
    cp requirements-audit.lock "$environment/installed.lock"
fi

# Every pin once, without its marker: pip-audit would leave out what another Python or platform installs. It takes one version
# of a package at a time, so the second of a name goes into a second list, and so on.
for lock in $locks; do
    sed -n 's/^\([A-Za-z0-9._-]*\)\(\[[^]]*\]\)\{0,1\}==\([^ ;\\]*\).*/\1==\3/p' "$lock"
done | sort -u | awk -F '==' -v work="$work" '{ print > (work "/pins-" ++seen[$1] ".txt") }'
count=$(cat "$work"/pins-*.txt | wc -l | tr -d ' ')

# "ID  reason": an ID without a reason explains nothing.
if unexplained=$(grep -v '^#' "$ignored" | grep -E '^[^[:space:]]+[[:space:]]*$'); then
    echo "error: $ignored: no reason given for: $unexplained" >&2
    exit 2
fi
set --
for id in $(sed -e '/^#/d' -e 's/[[:space:]].*//' "$ignored"); do set -- "$@" --ignore-vuln "$id"; done

# Of the list, into $work/report. --strict: what the service has never heard of is an error, and not left out of the report.
ask() {
    "$environment/bin/pip-audit" --strict --no-deps --disable-pip --progress-spinner off --timeout 20 --format json \
        --vulnerability-service "$service" --osv-url "$OSV_URL" -r "$@" >"$work/report" 2>"$work/said"
}

last_words() {
    echo "$service: $(grep -v '^[[:space:]]*$' "$work/said" | tail -n 1)" >&2
}

# A version with known vulnerabilities: a service, or a mirror in its place, that finds nothing wrong with it knows nothing.
echo "urllib3==1.24.1" >"$work/control.txt"

for service in $SERVICES; do
    asked=yes
    vulnerable=no
    if ask "$work/control.txt"; then
        echo "$service: knows nothing against $(cat "$work/control.txt"), so its word is worth nothing" >&2
        continue
    elif [ ! -s "$work/report" ]; then
        last_words
        continue
    fi
    for pins in "$work"/pins-*.txt; do
        if ask "$pins" "$@"; then
            :
        elif [ -s "$work/report" ]; then
            vulnerable=yes
            "$PYTHON" - "$work/report" <<'REPORT'
import json, sys
for package in json.load(open(sys.argv[1]))["dependencies"]:
    for known in package.get("vulns", []):
        fixed = ", ".join(known["fix_versions"]) or "no version"
        print(f"{package['name']} {package['version']}: {known['id']} {' '.join(known['aliases'])}: fixed in {fixed}")
REPORT
        else
            asked=no
            last_words
            break
        fi
    done
    [ "$vulnerable" = no ] || { echo "error: vulnerable versions are pinned: raise them, or explain them in $ignored" >&2; exit 1; }
    [ "$asked" = no ] || { echo "$count pinned versions of $(echo "$locks" | wc -w | tr -d ' ') lock files: nothing known against them ($service)"; exit 0; }
done
echo "error: NOT AUDITED: none of the services ($SERVICES) could be asked about all $count pinned versions; what each said is above" >&2
exit 2
