package embeddedftpd

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// resolve returns the absolute virtual path, "/" being the user's root, that
// arg names for a session in cwd. The result is clean: no "..", no empty part.
func resolve(cwd, arg string) string {
	if strings.HasPrefix(arg, "/") {
		return path.Clean(arg)
	}
	return path.Join("/", cwd, arg)
}

// rooted is the name of a virtual path for os.Root, which refuses absolute
// ones, and which sees to it that no link leads outside.
func rooted(virtual string) string {
	if virtual == "/" {
		return "."
	}
	return virtual[1:]
}

// quoted writes a path as a 257 reply does: in quotes, its own doubled
// (RFC 959 appendix II).
func quoted(virtual string) string {
	return `"` + strings.ReplaceAll(virtual, `"`, `""`) + `"`
}

// fileReply is the reply to a failed file operation. Its text names the
// reason and never the path on the server's disk.
func fileReply(err error) (code int, text string) {
	switch {
	case errors.Is(err, errAborted):
		return 426, "Transfer aborted."
	case errors.Is(err, errBusy):
		return 450, "Another upload of this file is running; try again."
	case errors.Is(err, errOffset):
		return 554, "REST is beyond the end of the file."
	case errors.Is(err, errOffsetASCII):
		return 554, "REST is not available in TYPE A; use TYPE I."
	case errors.Is(err, fs.ErrNotExist):
		return 550, "No such file or directory."
	// Before ErrExist, which it also is.
	case errors.Is(err, syscall.ENOTEMPTY):
		return 550, "The directory is not empty."
	case errors.Is(err, fs.ErrExist):
		return 550, "It exists already."
	case errors.Is(err, fs.ErrPermission):
		return 550, "Permission denied."
	case errors.Is(err, errNotRegular):
		return 550, "Not a regular file."
	case errors.Is(err, errTime):
		return 550, "The time is too far away."
	case errors.Is(err, errTree):
		return 451, "Too many folders for LIST -R."
	case errors.Is(err, syscall.ENOTDIR):
		return 550, "Not a directory."
	case errors.Is(err, syscall.EISDIR):
		return 550, "It is a directory."
	case errors.Is(err, syscall.ENAMETOOLONG):
		return 553, "The name is too long."
	case errors.Is(err, syscall.EROFS):
		return 550, "The file system is read-only."
	case errors.Is(err, syscall.EXDEV):
		return 553, "It cannot be moved to another file system."
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return 452, "No space left."
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return 451, "The server has too many files open."
	case errors.Is(err, syscall.EIO):
		return 451, "The server's disk has failed."
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return 451, "The file became shorter."
	}
	// What os.Root says of a path that would leave the root lands here.
	return 550, "Not permitted."
}
