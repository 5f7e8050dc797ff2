// Command pasvctl computes the passive ports that FTP sites need and renders
// the firewall rules and server configs that agree on them.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}
