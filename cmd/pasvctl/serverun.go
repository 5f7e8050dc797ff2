//go:build linux

package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/pasvctl/pasvctl/embeddedftpd"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// serve binds the ports and serves until a signal or ctx ends it.
func (d *server) serve(ctx context.Context, s *plan.Site, cfg embeddedftpd.Config) (err error) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if cfg.Predecessor, err = predecessor(); err != nil {
		return failure(err, "")
	}
	if cfg.Listeners, err = activated(); err != nil {
		return err
	}
	if d.metrics != "" && cfg.Predecessor == nil {
		if d.scraped, err = listenMetrics(ctx, d.metrics); err != nil {
			return err
		}
	}
	ftpd, err := embeddedftpd.New(ctx, cfg)
	if err != nil {
		return bindFailure(s, cfg, err)
	}
	if d.account != nil {
		if err := d.account.become(); err != nil {
			cfg.Predecessor.Refuse(err)
			ftpd.Close()
			return failure(err, "")
		}
	}
	if os.Geteuid() == 0 {
		cfg.Log.Warn("serving as root; --user NAME drops privileges after binding ports")
	}
	cfg.Log.Info("accepting connections", "control", spec.Join(ftpd.Addrs(), ","), "passive", s.DataPorts.String())
	r := running{server: d, ftpd: ftpd, log: cfg.Log}
	if err := r.run(ctx, cfg.Predecessor != nil); err != nil {
		cfg.Log.Error("stopped", "error", err)
		return silent(exitFailed)
	}
	cfg.Log.Info("stopped")
	return nil
}

// running is a daemon that serves, and listens to signals beside.
type running struct {
	*server
	ftpd    *embeddedftpd.Server
	log     *slog.Logger
	handing chan error // what a running hand-over will say; nil: none is
}

func (r *running) run(ctx context.Context, successor bool) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR2)
	defer signal.Stop(signals)
	served := make(chan error, 1)
	go func() { served <- r.ftpd.Serve(ctx) }()
	defer func() { r.scraped.close() }()
	if successor {
		r.rebind(ctx)
	}
	if r.scraped != nil {
		r.scraped.serve(r.ftpd.Metrics(), r.log)
	}
	said := make(chan struct{})
	stopping := context.AfterFunc(ctx, func() {
		r.notify(daemon.SdNotifyStopping)
		close(said)
	})
	defer func() {
		if !stopping() {
			<-said // not to end before it
		}
	}()
	if r.alive(ctx) {
		r.notify(daemon.SdNotifyReady)
	}
	every, end := r.watchdog()
	defer end()
	for {
		select {
		case err := <-served:
			if r.handing != nil && <-r.handing == nil {
				r.log.Info("handed over")
			}
			return err
		case err := <-r.handing:
			r.handing = nil
			if err != nil {
				r.log.Error("hand-over failed, this daemon keeps serving", "error", err)
				r.notify("MAINPID=" + strconv.Itoa(os.Getpid()))
				r.scraped.close()
				if r.rebind(ctx); r.scraped != nil {
					r.scraped.serve(r.ftpd.Metrics(), r.log)
				}
				continue
			}
			r.log.Info("handed over")
			return <-served
		case <-every:
			if r.alive(ctx) {
				r.notify(daemon.SdNotifyWatchdog)
			}
		case sig := <-signals:
			r.signal(sig)
		}
	}
}

// rebind binds the metrics address after another daemon has let go of it.
func (r *running) rebind(ctx context.Context) {
	r.scraped = nil
	if r.metrics == "" {
		return
	}
	var err error
	if r.scraped, err = metricsAfter(ctx, r.metrics); err != nil {
		r.log.Error("cannot serve metrics", "error", err)
	}
}

// signal reads files again, or hands over.
func (r *running) signal(sig os.Signal) {
	if sig == syscall.SIGUSR2 {
		r.handOver()
		return
	}
	if r.transfers != nil {
		if err := r.transfers.reopen(); err != nil {
			r.log.Error("reopening the transfer log failed, keeping the previous one", "error", err)
		}
	}
	if r.accounts != nil {
		if err := r.accounts.read(); err != nil {
			r.log.Error("reloading users failed, keeping the previous ones", "error", err)
			return
		}
	}
	r.log.Info("files reloaded")
}

func (r *running) handOver() {
	if r.handing != nil {
		r.log.Error("a hand-over is already running")
		return
	}
	to, its, err := startSuccessor(r.streams, r.log)
	if err != nil {
		r.log.Error("hand-over failed, this daemon keeps serving", "error", err)
		return
	}
	r.log.Info("handing over", "successor", its)
	to.Patience = r.handOverTime
	to.Ready = func() {
		r.notify("MAINPID=" + strconv.Itoa(its))
		r.scraped.close()
	}
	r.handing = make(chan error, 1)
	go func() { r.handing <- r.ftpd.HandOver(to) }()
}

// alive reports whether the daemon answers, and says why not.
func (r *running) alive(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := r.ftpd.Check(ctx)
	for !r.ftpd.Ready() && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
		err = r.ftpd.Check(ctx)
	}
	if err != nil {
		r.log.Error("the daemon does not answer", "error", err)
	}
	return err == nil
}

// watchdog ticks twice as often as systemd expects a notification, and never
// if it expects none.
func (r *running) watchdog() (every <-chan time.Time, end func()) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		r.log.Error("cannot read the watchdog interval", "error", err)
	}
	if interval <= 0 {
		return nil, func() {}
	}
	ticker := time.NewTicker(interval / 2)
	return ticker.C, ticker.Stop
}

// notify sends a state to systemd, if it asked for it (sd_notify(3)).
func (r *running) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		r.log.Error("sd_notify failed", "state", state, "error", err)
	}
}
