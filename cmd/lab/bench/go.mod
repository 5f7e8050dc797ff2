module github.com/pasvctl/pasvctl/cmd/lab/bench

go 1.26.0

require (
	github.com/fclairamb/ftpserverlib v0.32.3
	github.com/pasvctl/pasvctl v0.0.0
	github.com/spf13/afero v1.15.0
	golang.org/x/sys v0.49.0
)

require (
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace github.com/pasvctl/pasvctl => ../../..
