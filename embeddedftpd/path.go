package embeddedftpd

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// resolve returns the clean absolute virtual path of arg; "/" is the user's root.
func resolve(cwd, arg string) string {
	if strings.HasPrefix(arg, "/") {
		return path.Clean(arg)
	}
	return path.Join("/", cwd, arg)
}

// rooted is the name of a virtual path for os.Root.
func rooted(virtual string) string {
	if virtual == "/" {
		return "."
	}
	return virtual[1:]
}

// quoted writes a path as a 257 reply does (RFC 959 appendix II).
func quoted(virtual string) string {
	return `"` + strings.ReplaceAll(virtual, `"`, `""`) + `"`
}

// fileReplies never name the path on the server's disk.
var fileReplies = []struct {
	err  error
	code int
	text string
}{
	{errAborted, 426, "Transfer aborted."},
	{errBusy, 450, "Another upload of this file is running; try again."},
	{errOffset, 554, "REST is beyond the end of the file."},
	{errOffsetASCII, 554, "REST is not available in TYPE A; use TYPE I."},
	{fs.ErrNotExist, 550, "No such file or directory."},
	// Before ErrExist, which it also is.
	{syscall.ENOTEMPTY, 550, "The directory is not empty."},
	{fs.ErrExist, 550, "It exists already."},
	{fs.ErrPermission, 550, "Permission denied."},
	{errNotRegular, 550, "Not a regular file."},
	{errTime, 550, "The time is too far away."},
	{errTree, 451, "Too many folders for LIST -R."},
	{syscall.ENOTDIR, 550, "Not a directory."},
	{syscall.EISDIR, 550, "It is a directory."},
	{syscall.ENAMETOOLONG, 553, "The name is too long."},
	{syscall.EROFS, 550, "The file system is read-only."},
	{syscall.EXDEV, 553, "It cannot be moved to another file system."},
	{syscall.ENOSPC, 452, "No space left."},
	{syscall.EDQUOT, 452, "No space left."},
	{syscall.EFBIG, 452, "No space left."},
	{syscall.EMFILE, 451, "The server has too many files open."},
	{syscall.ENFILE, 451, "The server has too many files open."},
	{syscall.EIO, 451, "The server's disk has failed."},
	{io.ErrUnexpectedEOF, 451, "The file became shorter."},
	{io.EOF, 451, "The file became shorter."},
}

// fileReply is the reply to a failed file operation.
func fileReply(err error) (code int, text string) {
	for _, r := range fileReplies {
		if errors.Is(err, r.err) {
			return r.code, r.text
		}
	}
	// What os.Root says of a path that would leave the root lands here.
	return 550, "Not permitted."
}
