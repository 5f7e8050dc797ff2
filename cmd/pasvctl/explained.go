//go:build linux

package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/pasvctl/pasvctl/cmd/internal/apply"
	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
)

// explained gives an error of packages apply and kernel the hint that helps.
func explained(err error) error {
	var said *exitError
	var foreign *apply.ForeignError
	var pending *apply.PendingError
	var taken *apply.TakenBackError
	var stuck *apply.StuckError
	var part *apply.NotBackError
	var program *exec.Error
	switch {
	case errors.As(err, &said):
		return err
	case errors.As(err, &stuck):
		return failure(err, "the kernel may have part of the change: run pasvctl rollback, then pasvctl diff")
	case errors.As(err, &foreign):
		var text strings.Builder
		_ = writeChanges(&text, foreign.Changes[:min(len(foreign.Changes), 10)])
		return failure(fmt.Errorf("%w\n%s", err, strings.TrimSpace(text.String())),
			"see pasvctl diff; apply --adopt replaces the changed rules")
	case errors.As(err, &pending):
		return failure(err, "run pasvctl confirm or pasvctl rollback first")
	case errors.As(err, &taken):
		return failure(err, "apply again, and confirm in time")
	case errors.As(err, &part):
		return failure(err, "other rules that it needs are gone; apply loads the spec's rules again")
	case errors.As(err, &program):
		return failure(fmt.Errorf("this machine has no program %s", program.Name), lacking[program.Name])
	case errors.Is(err, apply.ErrLocked):
		return failure(err, "wait until it has ended")
	case errors.Is(err, apply.ErrHalfDone):
		return failure(err, "run pasvctl rollback, and apply again")
	case errors.Is(err, apply.ErrNotWhole):
		return failure(err, "pasvctl apply --restore loads them again; pasvctl rollback takes the change back")
	}
	if known, ok := errors.AsType[kernel.Remedied](err); ok {
		return failure(err, known.Remedy())
	}
	return failure(err, "")
}

// lacking says what to do without a program.
var lacking = map[string]string{
	"nft":               "install the package nftables, or use --backend iptables",
	"iptables-save":     "install the package iptables, or use --backend nft",
	"iptables-restore":  "install the package iptables, or use --backend nft",
	"ip6tables-restore": "install ip6tables (package iptables), take the IPv6 addresses out of the host, or use --backend nft",
	"ipset":             "install the package ipset, or use --backend nft",
}
