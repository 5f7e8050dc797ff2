# The packages in the smallest Debian, on a tmpfs: installed, used as the README
# says, upgraded while a transfer runs, removed and purged. systemctl is a stub
# there that records its calls, and does what the units say.
fail() { echo "FAILED: $*"; cat "$R"/var/log/{systemctl,served} 2>/dev/null || true; exit 1; }
wait_until() { local what=$1 i; shift; for i in $(seq 600); do ! "$@" || return 0; sleep 0.1; done; fail "never: $what"; }
R=$PWD/root
mkdir "$R"
mount -t tmpfs -o size=2g none "$R"
tar -C "$R" -xf "$CI_FOLDER/cache/debian.tar"
mount --bind /proc "$R/proc"
mount --bind /dev "$R/dev"
ip link set lo up
mkdir -p "$R/run/systemd/system" "$R/dist"
cp "$OUT"/* "$R/dist"
cat >"$R/usr/bin/systemctl" <<'END'
#!/bin/sh
echo "$*" >>/var/log/systemctl
MAINPID=$(cat /run/mainpid 2>/dev/null)
case "$1 $2" in
"list-units "*) [ -z "$MAINPID" ] || printf '%s loaded active running FTP\n' pasvctl-guard-x.service pasvctl@drop.service ;;
"reload pasvctl@drop.service") eval "$(sed -n 's/^ExecReload=//p' /usr/lib/systemd/system/pasvctl@.service)" ;;
"stop pasvctl@drop.service") kill "$MAINPID" && rm /run/mainpid ;;
reload\ *|stop\ *) exit 1 ;;
esac
END
chmod 755 "$R/usr/bin/systemctl"
inside=(chroot "$R" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive bash -euo pipefail -c)
in_root() { "${inside[@]}" "$1"; }
called() { grep -qxF -- "$1" "$R/var/log/systemctl" || fail "systemctl was not called with: $1"; }
files() { (cd "$R" && find etc/pasvctl srv/alice var/log/pasvctl-drop -exec ls -ld --time-style=+ {} + && find etc/pasvctl -type f -exec sha256sum {} +); }

echo "== the rpm's files are the deb's"
rpm -K --nosignature "$OUT/${DNF##*/}" | grep -q ': digests OK$' || fail "rpm -K"
rpm -qp --qf '[%{FILENAMES} %{FILEMODES:octal} %{FILEUSERNAME}\n]' "$OUT/${DNF##*/}" | grep -v _pasvctl >rpm.files
rpm -qlp "$OUT/${DNF##*/}" | grep -qx /usr/share/zsh/site-functions/_pasvctl || fail "the rpm has no completion for zsh"
dpkg-deb --fsys-tarfile "$OUT/${APT##*/}" | tar -tv --full-time >deb.files
awk '$2 != "root/root" || $1 !~ /^(-rw-r--r--|-rwxr-xr-x|drwxr-xr-x)$/ || $1 == "-rwxr-xr-x" && $6 != "./usr/bin/pasvctl"' deb.files | grep . && fail "owners and modes in the deb"
awk '$2 !~ /^0?(100644|100755|40755)$/ || $3 != "root" || $2 ~ /100755$/ && $1 != "/usr/bin/pasvctl"' rpm.files | grep . && fail "owners and modes in the rpm"
[ "$(awk '$1 ~ /^-/ && $6 !~ /_pasvctl$/ { print substr($6, 2) }' deb.files | sort)" = "$(awk '$2 !~ /40755$/ { print $1 }' rpm.files | sort)" ] || fail "the deb and the rpm have other files"

echo "== the README's commands"
in_root "cd /dist; $APT" >apt.log 2>&1 || { cat apt.log; fail "$APT"; }
in_root 'cd /tmp; tar -xzf /dist/'"${TAR#tar -xzf }"'; cmp pasvctl /usr/bin/pasvctl'
in_root 'mkdir /root/try; cd /root/try; cp -r /usr/share/doc/pasvctl/examples .; '"$README"'wait; cmp fetched/quickstart/quickstart.pasv.hcl examples/quickstart/quickstart.pasv.hcl' >readme.log 2>&1 || { cat readme.log; fail "the README's commands"; }
in_root 'test "$(getent passwd pasvctl | cut -d: -f6,7)" = /nonexistent:/usr/sbin/nologin'
called daemon-reload
! grep -q '^enable\|^start' "$R/var/log/systemctl" || fail "the package starts something that is not configured"
systemd-analyze verify --man=no --recursive-errors=no --root="$R" pasvctl@drop.service pasvctl-rules.service pasvctl-sets.service pasvctl-rules-watch.service pasvctl-rules-watch.timer 2>verify.log || { cat verify.log; fail "systemd-analyze"; }
grep pasvctl verify.log && fail "systemd-analyze found something"
grep -rl /usr/local "$R/usr/lib/systemd/system/" --include='pasvctl*' && fail "another path in a unit"

echo "== the daemon of the installed unit"
cat >"$R/etc/pasvctl/ftp.pasv.hcl" <<'END'
host "edge1" {
  addresses = ["127.0.0.1"]
}

site "drop" {
  host   = "edge1"
  server = "embedded"
  port   = 21

  concurrency {
    sessions             = 20
    sessions_per_address = 10
  }
}
END
U=$R/usr/lib/systemd/system/pasvctl@.service
in_root 'mkdir /srv/alice; pasvctl generate /etc/pasvctl -o /tmp/out >/dev/null
printf "secret\nsecret\n" | pasvctl user add /etc/pasvctl/drop.users alice /srv/alice >/dev/null
head -c 64M /dev/urandom >/srv/alice/big; chown -R pasvctl /srv/alice /etc/pasvctl/drop.users
install -d -o pasvctl -m 750 /var/log/pasvctl-drop' 2>start.log || { cat start.log; fail "the set-up"; }
user=$(sed -n 's/^User=//p' "$U") command=$(sed -n 's/^ExecStart=//p' "$U")
capability=$(sed -n 's/^AmbientCapabilities=CAP_//p' "$U" | tr A-Z a-z)
"${inside[@]}" "exec setpriv --reuid $user --regid $user --clear-groups --inh-caps -all,+$capability --ambient-caps -all,+$capability \
	--bounding-set -all,+$capability --no-new-privs ${command//%i/drop}" 2>"$R/var/log/served" &
old=$!
echo $old >"$R/run/mainpid"
accepts() { grep -q "accepting connections" "$R/var/log/served"; }
wait_until "the daemon accepts" accepts
[ "$(awk '/^CapEff/ { print $2 }' /proc/$old/status)" = 0000000000000400 ] || fail "it has other capabilities"

echo "== an upgrade while a transfer runs"
mkfifo pipe
curl -sS ftp://alice:secret@127.0.0.1/big >pipe &
client=$!
exec 3<pipe
head -c 100 <&3 >got
before=$(files)
cp "$NEXT"/*.deb "$R/dist"
in_root "dpkg -i /dist/pasvctl_$VERSION.1_amd64.deb" >>apt.log 2>&1 || { cat apt.log; fail "the upgrade"; }
called "reload pasvctl@drop.service"
! grep -q guard <(grep -v list-units "$R/var/log/systemctl") || fail "the guard was touched"
said_successor() { new=$(grep -o 'handing over.* successor=[0-9]*' "$R/var/log/served" | grep -o '[0-9]*$'); }
wait_until "it hands over" said_successor
second() { [ "$(grep -c 'accepting connections' "$R/var/log/served")" = 2 ]; }
wait_until "the successor accepts" second
[ "$(readlink /proc/$new/exe)" = "$R/usr/bin/pasvctl" ] || fail "the successor runs $(readlink /proc/$new/exe)"
kill -0 $client $old || fail "the transfer has ended already"
cat <&3 >>got
wait $client || fail "the transfer"
cmp got "$R/srv/alice/big" || fail "the transfer is not whole"
wait $old || fail "the old daemon"
echo $new >"$R/run/mainpid"
curl -sS ftp://alice:secret@127.0.0.1/big | cmp - "$R/srv/alice/big" || fail "the new daemon"
in_root "test \"\$(dpkg-query -W -f '\${Version}' pasvctl)\" = $VERSION.1"
kept() { [ "$(files | grep -v xferlog)" = "$(grep -v xferlog <<<"$before")" ] || { diff <(echo "$before") <(files); fail "$1 changed the owner's files"; }; }
kept "the upgrade"

echo "== remove and purge"
mkdir -p "$R/var/lib/pasvctl"
in_root "dpkg -r pasvctl" >>apt.log 2>&1 || { cat apt.log; fail "the removal"; }
called "stop pasvctl@drop.service"
called "disable pasvctl-rules.service pasvctl-sets.service pasvctl-rules-watch.timer pasvctl@.service"
gone() { ! kill -0 $new 2>/dev/null; }
wait_until "the daemon ends" gone
[ ! -e "$R/usr/bin/pasvctl" ] && [ ! -e "$U" ] && [ ! -e "$R/usr/share/doc/pasvctl" ] || fail "something of the package stays"
kept "the removal"
in_root "dpkg -P pasvctl" >>apt.log 2>&1 || { cat apt.log; fail "the purge"; }
[ ! -e "$R/var/lib/pasvctl" ] || fail "the purge leaves the state"
kept "the purge"
in_root 'getent passwd pasvctl >/dev/null; userdel pasvctl'

echo "== the rpm"
: >"$R/var/log/systemctl"
# What it depends on has come from debs.
rpm --root "$R" -i --nodeps "$OUT/${DNF##*/}"
in_root 'pasvctl version; getent passwd pasvctl >/dev/null; pasvctl validate /etc/pasvctl'
called daemon-reload
rpm --root "$R" -V --nodeps pasvctl || fail "rpm -V"
rpm --root "$R" -U --nodeps "$NEXT"/*.rpm
[ "$(rpm --root "$R" -q --qf '%{VERSION}' pasvctl)" = "$VERSION.1" ] || fail "the rpm's upgrade"
! grep -q '^disable' "$R/var/log/systemctl" || fail "an upgrade disables"
[ -x "$R/usr/bin/pasvctl" ] || fail "the upgrade removed the program"
rpm --root "$R" -e pasvctl
called "disable pasvctl-rules.service pasvctl-sets.service pasvctl-rules-watch.timer pasvctl@.service"
[ ! -e "$R/usr/bin/pasvctl" ] || fail "the program stays"
kept "the rpm's removal"
echo passed
