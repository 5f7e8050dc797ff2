package packets

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// TCP flags (RFC 9293, section 3.1).
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// Segment is a TCP segment that no socket sends: it leaves the world with any
// source address, and the world's sockets know nothing of it. Answers to an
// address that the world does not have are lost.
type Segment struct {
	From, To netip.AddrPort
	Flags    byte
	Seq, Ack uint32
	// Want says how long to wait for an answer: Patience if it is Admitted,
	// Silence if it is Dropped, and not at all if it is empty.
	Want Verdict
}

// Inject sends segments, one after the other, to the world's neighbour, and
// returns which were answered: Admitted, else Dropped. A segment is answered
// if a packet from its destination to its source follows it.
func (b *Bed) Inject(segments ...Segment) (got []Verdict, err error) {
	got = make([]Verdict, len(segments))
	err = b.World.Do(func() error {
		device, err := net.InterfaceByName("world")
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(bigEndian(unix.ETH_P_ALL)))
		if err != nil {
			return fmt.Errorf("packet socket: %w", err)
		}
		defer unix.Close(fd)
		at := &unix.SockaddrLinklayer{Ifindex: device.Index, Protocol: bigEndian(unix.ETH_P_ALL)}
		if err := unix.Bind(fd, at); err != nil {
			return err
		}
		waiting := map[[2]netip.AddrPort][]int{}
		for i, s := range segments {
			if err := unix.Sendto(fd, s.frame(device.HardwareAddr), 0, at); err != nil {
				return fmt.Errorf("from %s to %s: %w", s.From, s.To, err)
			}
			got[i] = Dropped
			waiting[[2]netip.AddrPort{s.To, s.From}] = append(waiting[[2]netip.AddrPort{s.To, s.From}], i)
			if err := answers(fd, time.Time{}, segments, waiting, got); err != nil { // before they fill the socket
				return err
			}
		}
		return answers(fd, time.Now(), segments, waiting, got)
	})
	return got, err
}

// answers marks the segments that were answered, until all are, or until those
// that are missing have had their time since they were sent.
func answers(fd int, sent time.Time, segments []Segment, waiting map[[2]netip.AddrPort][]int, got []Verdict) error {
	buffer := make([]byte, 2048)
	for len(waiting) > 0 {
		n, from, err := unix.Recvfrom(fd, buffer, 0)
		switch {
		case err == unix.EAGAIN:
			left := time.Until(sent.Add(patience(segments, waiting)))
			if left <= 0 {
				return nil
			}
			poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			if _, err := unix.Poll(poll, int(left/time.Millisecond)+1); err != nil && err != unix.EINTR {
				return err
			}
			continue
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		}
		if link, ok := from.(*unix.SockaddrLinklayer); !ok || link.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		ends, ok := endsOf(buffer[:n])
		if !ok {
			continue
		}
		for _, i := range waiting[ends] {
			got[i] = Admitted
		}
		delete(waiting, ends)
	}
	return nil
}

// patience is how long the answers that are missing may take.
func patience(segments []Segment, waiting map[[2]netip.AddrPort][]int) (longest time.Duration) {
	for _, missing := range waiting {
		for _, i := range missing {
			switch segments[i].Want {
			case Admitted:
				return Patience
			case Dropped:
				longest = Silence
			}
		}
	}
	return longest
}

// endsOf reads source and destination of a TCP segment in an Ethernet frame.
func endsOf(frame []byte) (ends [2]netip.AddrPort, ok bool) {
	const link = 14
	var from, to netip.Addr
	var ports []byte
	switch {
	case len(frame) >= link+40 && binary.BigEndian.Uint16(frame[12:]) == unix.ETH_P_IP && frame[link+9] == unix.IPPROTO_TCP:
		from, to = netip.AddrFrom4([4]byte(frame[link+12:])), netip.AddrFrom4([4]byte(frame[link+16:]))
		ports = frame[min(link+int(frame[link]&15)*4, len(frame)):]
	case len(frame) >= link+60 && binary.BigEndian.Uint16(frame[12:]) == unix.ETH_P_IPV6 && frame[link+6] == unix.IPPROTO_TCP:
		from, to = netip.AddrFrom16([16]byte(frame[link+8:])), netip.AddrFrom16([16]byte(frame[link+24:]))
		ports = frame[link+40:]
	}
	if len(ports) < 4 {
		return ends, false
	}
	ends[0] = netip.AddrPortFrom(from, binary.BigEndian.Uint16(ports))
	ends[1] = netip.AddrPortFrom(to, binary.BigEndian.Uint16(ports[2:]))
	return ends, true
}

// frame is the segment in an Ethernet frame to the world's neighbour.
func (s Segment) frame(source net.HardwareAddr) []byte {
	tcp := make([]byte, 20)
	binary.BigEndian.PutUint16(tcp, s.From.Port())
	binary.BigEndian.PutUint16(tcp[2:], s.To.Port())
	binary.BigEndian.PutUint32(tcp[4:], s.Seq)
	binary.BigEndian.PutUint32(tcp[8:], s.Ack)
	tcp[12], tcp[13] = 5<<4, s.Flags
	binary.BigEndian.PutUint16(tcp[14:], 64240)
	pseudo := append(append(s.From.Addr().AsSlice(), s.To.Addr().AsSlice()...), 0, unix.IPPROTO_TCP, 0, 20)
	binary.BigEndian.PutUint16(tcp[16:], checksum(append(pseudo, tcp...)))

	frame := append([]byte{2, 0, 0, 0, 0, 2}, source...)
	if s.To.Addr().Is6() {
		frame = append(frame, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, unix.IPPROTO_TCP, 64)
		frame = append(append(frame, s.From.Addr().AsSlice()...), s.To.Addr().AsSlice()...)
		return append(frame, tcp...)
	}
	ip := []byte{0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, unix.IPPROTO_TCP, 0, 0}
	ip = append(append(ip, s.From.Addr().AsSlice()...), s.To.Addr().AsSlice()...)
	binary.BigEndian.PutUint16(ip[10:], checksum(ip))
	return append(append(append(frame, 0x08, 0), ip...), tcp...)
}

// checksum is the Internet checksum of an even number of bytes (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func bigEndian(n uint16) uint16 { return n<<8 | n>>8 }
