#!/bin/sh
# Installs rmcp from this folder, and what belongs to it.
#
# usage: ./install.sh [--prefix DIR] [--static]     default prefix: /usr/local
#
# --static installs the program that needs no library at all, for systems whose C library is older than 2.35. DESTDIR in the
# environment goes before every path, for who makes a package of it. Nothing is started, and no user is made: the last
# lines say what to do. Configuration files that are there already are kept.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
prefix=/usr/local
program=rmcp
while [ $# -gt 0 ]; do
  case $1 in
    --prefix) prefix=${2:?--prefix takes a folder}; shift ;;
    --prefix=*) prefix=${1#*=} ;;
    --static) program=rmcp-static ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "install.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift
done
case $prefix in
  /*) ;;
  *) echo "install.sh: --prefix takes an absolute path, not '$prefix'" >&2; exit 2 ;;
esac
root=${DESTDIR:-}

# put MODE SOURCE TARGET, making the folder.
put() {
  mkdir -p "$root$(dirname "$3")"
  cp "$2" "$root$3.new"
  chmod "$1" "$root$3.new"
  # Renamed, so that a running program is not written into.
  mv -f "$root$3.new" "$root$3"
}

put 755 "$here/$program" "$prefix/bin/rmcp"
for example in "$here"/docs/metrics/*; do
  put 644 "$example" "$prefix/share/doc/rmcp/examples/metrics/${example##*/}"
done
for page in "$here"/man/*.[0-9]; do
  put 644 "$page" "$prefix/share/man/man${page##*.}/${page##*/}"
done
put 644 "$here/bash-completion/rmcp" "$prefix/share/bash-completion/completions/rmcp"
put 644 "$here/zsh/_rmcp" "$prefix/share/zsh/site-functions/_rmcp"
put 644 "$here/fish/rmcp.fish" "$prefix/share/fish/vendor_completions.d/rmcp.fish"
for file in "$here"/docs/*.* "$here/CHANGELOG.md"; do put 644 "$file" "$prefix/share/doc/rmcp/${file##*/}"; done
for file in "$here"/examples/*; do
  if [ -x "$file" ]; then mode=755; else mode=644; fi
  put "$mode" "$file" "$prefix/share/doc/rmcp/examples/${file##*/}"
done
# Where systemd looks: for /usr in /usr/lib, and else in /etc, since it does not know every prefix.
if [ "$prefix" = /usr ]; then units=/usr/lib/systemd/system sysctl=/usr/lib/sysctl.d users=/usr/lib/sysusers.d
else units=/etc/systemd/system sysctl=/etc/sysctl.d users=/etc/sysusers.d; fi
edited=$(mktemp)
trap 'rm -f "$edited"' EXIT
for unit in "$here"/systemd/*.service; do
  sed "s|/usr/bin/rmcp|$prefix/bin/rmcp|" "$unit" >"$edited"
  put 644 "$edited" "$units/${unit##*/}"
done
put 644 "$here/sysctl/60-rmcp.conf" "$sysctl/60-rmcp.conf"
put 644 "$here/sysusers/rmcp.conf" "$users/rmcp.conf"
for file in recv.toml repair.toml; do
  [ -e "$root/etc/rmcp/$file" ] || put 644 "$here/etc/$file" "/etc/rmcp/$file"
done

echo "rmcp is in $root$prefix/bin. For the service on this machine, as root:"
echo "  systemd-sysusers && sysctl -p $sysctl/60-rmcp.conf && systemctl daemon-reload"
echo "  put the public line of the sender's key into /etc/rmcp/trusted_keys"
echo "  systemctl enable --now rmcp-recv"
