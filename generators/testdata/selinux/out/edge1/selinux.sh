#!/bin/sh
# Made by pasvctl 0.1.0; do not edit: change the spec and generate it again.
#
# SELinux's port type of the FTP servers on host edge1. Run it there as root, and
# again after each change: ranges that an earlier run has labelled and that have left the
# spec lose the type, in the same transaction. It changes nothing that is so already.
#
# vsftpd, ProFTPD and Pure-FTPd may always bind ports of the type ftp_port_t. The boolean
# ftpd_use_passive_mode, which lets them bind all high ports, is then not needed:
#   setsebool -P ftpd_use_passive_mode off
set -eu

wanted='21 61000-61046'
state=/var/lib/pasvctl/selinux-ports

# labelled LISTING TYPE PORTS: whether a listing has the very range, with that type or,
# if it is empty, any.
labelled() {
	printf '%s\n' "$1" | awk -v type="$2" -v ports="$3" '
		$2 == "tcp" && (type == "" || $1 == type) {
			for (i = 3; i <= NF; i++) { sub(/,$/, "", $i); if ($i == ports) found = 1 }
		}
		END { exit !found }'
}

all=$(semanage port -l -n)
own=$(semanage port -l -C -n)
earlier=
if [ -e "$state" ]; then
	earlier=$(cat "$state")
fi

changes=$(
	for ports in $earlier; do
		case " $wanted " in *" $ports "*) continue ;; esac
		if labelled "$own" ftp_port_t "$ports"; then
			echo "port -d -p tcp $ports"
		fi
	done
	for ports in $wanted; do
		if labelled "$all" ftp_port_t "$ports"; then
			continue
		elif labelled "$all" '' "$ports"; then
			echo "port -m -t ftp_port_t -p tcp $ports"
		else
			echo "port -a -t ftp_port_t -p tcp $ports"
		fi
	done
)
if [ -n "$changes" ]; then
	printf '%s\n' "$changes" | semanage import
fi
(
	umask 077
	mkdir -p "${state%/*}"
	printf '%s\n' "$wanted" >"$state.new"
	mv "$state.new" "$state"
)
