# The image as others read it, and its daemon as a container engine starts it:
# as its user, as process 1, without a capability, on a root that is read-only.
fail() { echo "FAILED: $*"; cat log 2>/dev/null || true; exit 1; }
wait_until() { local what=$1 i; shift; for i in $(seq 600); do ! "$@" || return 0; sleep 0.1; done; fail "never: $what"; }
archive=$(echo "$OUT"/pasvctl-*-oci.tar)
version=$(basename "$archive" -oci.tar)
version=${version#pasvctl-}
from=oci-archive:$archive:$version

skopeo inspect --raw "$from" >index.json
[ "$(python3 -c 'import json; print(*sorted(m["platform"]["os"] + "/" + m["platform"]["architecture"] for m in json.load(open("index.json"))["manifests"]))')" = "linux/amd64 linux/arm64" ] || fail "platforms: $(cat index.json)"
for arch in amd64 arm64; do
	skopeo --insecure-policy --override-arch $arch copy -q "$from" oci:image:$arch
	umoci unpack --image image:$arch $arch
	tar -xzf "$OUT"/pasvctl-*-linux-$arch.tar.gz pasvctl
	cmp pasvctl $arch/rootfs/usr/bin/pasvctl || fail "the image has another program"
	[ "$(cd $arch/rootfs && find . -printf '%P %y %m %U:%G\n' | sort)" = " d 755 0:0
srv d 755 0:0
srv/ftp d 755 65532:65532
usr d 755 0:0
usr/bin d 755 0:0
usr/bin/pasvctl f 755 0:0" ] || fail "the image has other files: $(cd $arch/rootfs && find . -printf '%P %y %m %U:%G\n' | sort)"
done
said() { python3 -c 'import json, sys
value = json.load(open(sys.argv[1]))
for key in sys.argv[2:]: value = value[key]
print(*(value if isinstance(value, list) else [value]), sep="\n")' "$@"; }
for arch in arm64 amd64; do
	skopeo --override-arch $arch inspect --config "$from" >config.json
	[ "$(said config.json architecture)" = $arch ] || fail "the architecture of $arch"
done
[ "$(said config.json config User)" = 65532:65532 ] || fail "the user is $(said config.json config User)"
mapfile -t line < <(said amd64/config.json process args)
[ "${line[*]}" = "/usr/bin/pasvctl serve /etc/pasvctl --users /etc/pasvctl/users --listen 0.0.0.0:2121 --metrics 127.0.0.1:9121" ] || fail "the command is ${line[*]}"
user=$(said amd64/config.json process user uid) group=$(said amd64/config.json process user gid)

# Config, lock and users as files, linked as Kubernetes mounts them.
mkdir -p etc/..1 files amd64/rootfs/{etc/pasvctl,proc}
cat >etc/..1/ftp.pasv.hcl <<'END'
host "pod" {
  addresses = ["203.0.113.10"]
}

site "drop" {
  host     = "pod"
  server   = "embedded"
  port     = 2121
  announce = "198.51.100.7"

  concurrency {
    sessions             = 20
    sessions_per_address = 10
  }
}
END
amd64/rootfs/usr/bin/pasvctl generate etc/..1 -o rendered 2>/dev/null >/dev/null
chown -R $user:$group etc files
contained() { chroot --userspec=$user:$group --groups=$group amd64/rootfs "$@"; }
mount --bind amd64/rootfs amd64/rootfs
mount --bind files amd64/rootfs/srv/ftp
mount --bind etc amd64/rootfs/etc/pasvctl
printf 'secret\nsecret\n' | contained /usr/bin/pasvctl user add /etc/pasvctl/..1/users alice /srv/ftp >/dev/null
chown -R 0:$group etc && chmod 640 etc/..1/users
ln -s ..1 etc/..data
for name in ftp.pasv.hcl pasvctl.lock.hcl users; do ln -s ..data/$name etc/$name; done
mount -o remount,bind,ro amd64/rootfs/etc/pasvctl
mount -o remount,bind,ro amd64/rootfs
ip link set lo up
ip address add 203.0.113.10/32 dev lo
ip address add 198.51.100.7/32 dev lo # the node's, of which the pod knows nothing

contained /usr/bin/pasvctl ready 127.0.0.1:9121 2>/dev/null && fail "ready without a daemon"
setpriv --no-new-privs unshare --pid --fork --mount-proc="$PWD/amd64/rootfs/proc" \
	chroot --userspec=$user:$group --groups=$group amd64/rootfs "${line[@]}" 2>log &
engine=$!
ready() { contained /usr/bin/pasvctl ready 127.0.0.1:9121 2>/dev/null; }
wait_until "the daemon is ready" ready
daemon=$(cat /proc/$engine/task/$engine/children)
daemon=${daemon% }
grep -qx "Uid:.$user.$user.$user.$user" /proc/$daemon/status && grep -qx 'CapEff:.0000000000000000' /proc/$daemon/status && grep -q '^NSpid:.*[[:space:]]1$' /proc/$daemon/status || fail "$(cat /proc/$daemon/status)"
! grep -q 'warning: ' log || fail "the daemon warns"

head -c 8M /dev/urandom >sent
at=ftp://alice:secret@203.0.113.10:2121
curl -sS -T sent $at/sent || fail "upload"
cmp sent files/sent && [ "$(stat -c %u files/sent)" = $user ] || fail "the upload is not whole"
curl -sS --disable-eprt $at/sent | cmp - sent || fail "download by EPSV"
curl -sS -v --disable-epsv $at/sent 2>said | cmp - sent || fail "download by PASV"
grep -q 'Passive Mode (198,51,100,7,' said || fail "it announces $(grep 227 said)"

# The engine's upgrade is a new container: a hand-over is refused and harms nothing.
kill -USR2 $daemon
refused() { grep -q 'process 1 cannot hand over' log; }
wait_until "it refuses to hand over" refused
ready || fail "not ready after SIGUSR2"

exec 4<>/dev/tcp/203.0.113.10/2121
read -r greeting <&4
kill -TERM $daemon
wait $engine || fail "SIGTERM ends with $?"
[[ $greeting = 220* ]] && grep -q '^421' <&4 || fail "a session does not hear of the stop"
contained /usr/bin/pasvctl ready 127.0.0.1:9121 2>/dev/null && fail "ready after the stop"
cp amd64/rootfs/usr/bin/pasvctl "$DAEMON"
echo passed
