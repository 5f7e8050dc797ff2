package main

import (
	"context"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// The link is a TUN device whose other end is this host again: the relay swaps
// the addresses of each packet, which leaves its checksums right, and gives it
// back linkDelay later. So what connects to linkThere arrives at linkHere from
// linkThere, each packet of both directions late, without a word to the kernel's
// packet scheduler.
const (
	linkDelay = time.Millisecond
	linkHere  = "10.9.0.1" // where servers listen
	linkThere = "10.9.0.2" // where clients find them
)

// startLink sets the link up. Its relay is a process of its own, and ends with
// ctx.
func startLink(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	tun := os.NewFile(uintptr(fd), "tun")
	defer tun.Close()
	device, err := unix.NewIfreq("bench0")
	if err != nil {
		return err
	}
	device.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, device); err != nil {
		return err
	}
	if err := commands([][]string{
		{"ip", "address", "add", linkHere + "/30", "dev", "bench0"},
		// As on loopback, since every packet costs the relay the same.
		{"ip", "link", "set", "bench0", "mtu", "65535", "txqueuelen", "10000", "up"},
	}); err != nil {
		return err
	}
	relay := exec.CommandContext(ctx, self, "link")
	relay.ExtraFiles, relay.Stderr = []*os.File{tun}, os.Stderr
	return relay.Start()
}

// packet is one on its way.
type packet struct {
	due  time.Time
	data []byte
}

// serveLink relays the packets of the TUN device that it has as descriptor 3.
func serveLink() error {
	const tun, source, destination, length = 3, 12, 16, 20 // of IPv4's header (RFC 791 section 3.1)
	late := make(chan packet, 1<<16)
	failed := make(chan error, 1)
	go func() {
		for p := range late {
			// time.Sleep rounds to milliseconds while nothing else runs.
			if ahead := time.Until(p.due); ahead > 0 {
				wait := unix.NsecToTimespec(ahead.Nanoseconds())
				unix.Nanosleep(&wait, nil)
			}
			if _, err := unix.Write(tun, p.data); err != nil && err != unix.EINTR {
				failed <- err
				return
			}
		}
	}()
	buf := make([]byte, 1<<16)
	for {
		n, err := unix.Read(tun, buf)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case n < length || buf[0]>>4 != 4:
			continue // IPv6's neighbour discovery
		}
		data := append([]byte(nil), buf[:n]...)
		copy(data[source:destination], buf[destination:length])
		copy(data[destination:length], buf[source:destination])
		select {
		case late <- packet{time.Now().Add(linkDelay), data}:
		case err := <-failed:
			return err
		}
	}
}
