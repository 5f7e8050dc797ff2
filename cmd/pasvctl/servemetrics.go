//go:build linux

package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// maxScrapes is how many connections the metrics address serves at once;
// others wait.
const maxScrapes = 16

// metricsServer serves the daemon's counters on an address of their own.
type metricsServer struct {
	listener *net.TCPListener
	http     http.Server
	served   sync.WaitGroup
}

func listenMetrics(ctx context.Context, text string) (*metricsServer, error) {
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		return nil, usage("write an IP address and a port, such as 127.0.0.1:9121", "invalid address and port in --metrics %q", text)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", at.String())
	if err != nil {
		return nil, failure(err, "choose another address and port for --metrics")
	}
	return &metricsServer{listener: l.(*net.TCPListener)}, nil
}

// serve begins to answer. Every wait is bounded: a client that says nothing is
// gone after seconds.
func (m *metricsServer) serve(h http.Handler, log *slog.Logger) {
	m.http = http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	m.served.Go(func() { m.http.Serve(&boundedListener{m.listener, make(chan struct{}, maxScrapes)}) })
}

// close lets go of the address, where there is one, at once.
func (m *metricsServer) close() {
	if m == nil {
		return
	}
	m.listener.Close()
	m.http.Close()
	m.served.Wait()
}

// boundedListener has no more connections at once than free has room.
type boundedListener struct {
	net.Listener
	free chan struct{}
}

func (l *boundedListener) Accept() (net.Conn, error) {
	l.free <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &boundedConn{Conn: c, free: l.free}, nil
}

type boundedConn struct {
	net.Conn
	once sync.Once
	free chan struct{}
}

func (c *boundedConn) Close() error {
	c.once.Do(func() { <-c.free })
	return c.Conn.Close()
}
