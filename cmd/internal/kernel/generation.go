package kernel

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Generation names the state of the nftables rules of this network namespace.
// It changes with each change of them, by any program, but not with what they
// learn and count. Until the next boot no namespace has it again.
func Generation() (string, error) {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return "", err
	}
	defer unix.Close(socket)
	cookie, err := unix.GetsockoptUint64(socket, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return "", err
	}
	if err := unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}); err != nil {
		return "", err
	}
	const headers = unix.SizeofNlMsghdr + 4 // struct nlmsghdr, struct nfgenmsg
	ask := make([]byte, headers)
	binary.NativeEndian.PutUint32(ask, headers)
	binary.NativeEndian.PutUint16(ask[4:], unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETGEN)
	binary.NativeEndian.PutUint16(ask[6:], unix.NLM_F_REQUEST)
	if err := unix.Sendto(socket, ask, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return "", err
	}
	answer := make([]byte, 4096)
	n, err := unix.Read(socket, answer)
	if err != nil {
		return "", err
	}
	// NFTA_GEN_ID is the first attribute: length, type, value.
	const end = headers + unix.SizeofNlAttr + 4
	if n < end || binary.NativeEndian.Uint16(answer[4:]) != unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWGEN ||
		binary.NativeEndian.Uint16(answer[headers+2:]) != unix.NFTA_GEN_ID {
		return "", fmt.Errorf("the kernel does not report the generation of its nftables rules")
	}
	return fmt.Sprintf("%d-%d", cookie, binary.BigEndian.Uint32(answer[end-4:])), nil
}
