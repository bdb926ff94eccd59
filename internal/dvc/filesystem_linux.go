package dvc

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// stamps gives a file's inode and the time of its last change of any kind.
func stamps(info fs.FileInfo) (ctime int64, inode uint64) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ctim.Nano(), s.Ino
	}
	return 0, 0
}

// clone gives an empty file the content of another one, without copying it,
// where the file system can do that.
func clone(to, from *os.File) bool {
	return unix.IoctlFileClone(int(to.Fd()), int(from.Fd())) == nil
}
