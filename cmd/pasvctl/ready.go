package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// readyTimeout bounds the whole of a question, so that a probe never hangs.
const readyTimeout = 8 * time.Second

func newReady(streams) *cobra.Command {
	return &cobra.Command{
		Use:   "ready ADDR:PORT",
		Short: "report whether a running daemon accepts sessions",
		Long: `ready asks a daemon at the address of its --metrics whether it accepts sessions, and ends
with 0 if it does and 1 if it does not, does not answer or does not run. It needs no shell
and takes no session, so it is a check for a container's health.`,
		Example: "  pasvctl ready 127.0.0.1:9121",
		Args:    exactly("ADDR:PORT"),
		RunE: func(c *cobra.Command, args []string) error {
			at, err := netip.ParseAddrPort(args[0])
			if err != nil {
				return usage("write the address and port of serve --metrics, such as 127.0.0.1:9121", "invalid address and port %q", args[0])
			}
			if err := askReady(c.Context(), at); err != nil {
				return failure(err, "")
			}
			return nil
		},
	}
}

// askReady returns nil if the daemon whose metrics are at the address accepts sessions.
func askReady(ctx context.Context, at netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at.String()+"/ready", nil)
	if err != nil {
		return err
	}
	// No proxy of the environment, and no redirect: only that address can know.
	answer, err := new(http.Transport).RoundTrip(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	why, err := io.ReadAll(io.LimitReader(answer.Body, 200))
	return errors.Join(fmt.Errorf("not ready: %s: %s", answer.Status, strings.TrimSpace(string(why))), err)
}
