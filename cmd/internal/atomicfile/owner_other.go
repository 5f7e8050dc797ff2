//go:build !unix

package atomicfile

import (
	"io/fs"
	"os"
)

// keepOwner does nothing: a new file inherits its folder's access rights.
func keepOwner(*os.File, fs.FileInfo) error { return nil }
