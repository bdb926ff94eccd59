package dvc

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// identity is what the file system says of a file without its content. A file
// whose identity is as it was has the content it had.
type identity struct {
	size  int64
	mtime int64 // nanoseconds since 1970
	ctime int64 // the same, of the last change of anything; 0 where there is no such time
	inode uint64
}

// known is a hash with the identity that the file had when it was taken.
type known struct {
	identity
	md5 string
}

// hashCache remembers which content files have, so that unchanged files aren't
// read again. It is a file of its own in .dvc/tmp, which may be deleted at any
// time. Lines are appended, the last one of a path counts, and one that can't be
// read is passed over, so that a write that was cut short does no harm.
//
// A file that is changed twice within one tick of the file system's clock looks
// the same before and after the second change. So nothing is remembered of a
// file that was changed at, or after, the time when its hashing began, by the
// clock that stamps the files.
type hashCache struct {
	root string // paths below it are kept relative to it
	file string

	mu      sync.Mutex
	loaded  bool
	entries map[string]known
	lines   int
	fresh   []string // learned since the last save

	clock struct {
		mu    sync.Mutex
		now   int64
		asked time.Time
	}
}

const (
	hashCacheHead = "perennial hashes 1"
	// coarse is how far back a change must lie where a file's time is whole
	// seconds, as on file systems that keep no finer ones.
	coarse = 2 * time.Second
	// askClock is how long an answer of the file system's clock is used.
	askClock = 50 * time.Millisecond
)

func newHashCache(root string) *hashCache {
	return &hashCache{root: root, file: filepath.Join(root, ".dvc", "tmp", "perennial", "hashes")}
}

// now gives the time that the file system would stamp a change with, or did a
// moment ago, and 0 where it lets nothing be written: then nothing will be
// remembered.
func (c *hashCache) now() int64 {
	c.clock.mu.Lock()
	defer c.clock.mu.Unlock()
	if asked := time.Now(); asked.Sub(c.clock.asked) > askClock {
		c.clock.now, c.clock.asked = c.askClock(), asked
	}
	return c.clock.now
}

func (c *hashCache) askClock() int64 {
	dir := filepath.Dir(c.file)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // DVC's mode
		return 0
	}
	f, err := os.CreateTemp(dir, "now-*")
	if err != nil {
		return 0
	}
	defer os.Remove(f.Name()) //nolint:errcheck // empty
	defer f.Close()           //nolint:errcheck // empty
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.ModTime().UnixNano()
}

// get gives the remembered hash of a file that has this identity, else "".
func (c *hashCache) get(path string, id identity) (md5 string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.load()
	k, ok := c.entries[c.key(path)]
	if !ok || k.identity != id {
		return "", false
	}
	return k.md5, true
}

// learn hashes a file by read, remembers its hash, and gives its size besides.
func (c *hashCache) learn(file string, read func(*os.File) (sum string, err error)) (sum string, size int64, err error) {
	began := c.now()
	sum, id, err := stable(file, read)
	if err == nil {
		c.put(file, id, sum, began)
	}
	return sum, id.size, err
}

// put remembers the hash of a file that had this identity before and after it
// was read, if the file can't have been changed since began.
func (c *hashCache) put(path string, id identity, md5 string, began int64) {
	slack := int64(0)
	if id.mtime%int64(time.Second) == 0 {
		slack = int64(coarse)
	}
	if id.mtime+slack < began {
		c.keep(path, id, md5)
	}
}

// keep remembers a hash without asking how old the file is: of a file that
// nobody else could write to since it was hashed.
func (c *hashCache) keep(path string, id identity, md5 string) {
	k := known{id, md5}
	key := c.key(path)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.load()
	if c.entries[key] == k {
		return
	}
	c.entries[key] = k
	c.fresh = append(c.fresh, key)
}

// forget makes get answer nothing of a path until it is hashed again.
func (c *hashCache) forget(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.load()
	delete(c.entries, c.key(path))
}

// key gives a path below the root relative to it, so that a project can be moved.
func (c *hashCache) key(path string) string {
	if rest, ok := strings.CutPrefix(path, c.root+string(filepath.Separator)); ok {
		return rest
	}
	return path
}

func (c *hashCache) load() {
	if c.loaded {
		return
	}
	c.loaded = true
	c.entries = map[string]known{}
	b, err := os.ReadFile(c.file)
	if err != nil || !bytes.HasPrefix(b, []byte(hashCacheHead+"\n")) {
		return
	}
	for line := range bytes.Lines(b[len(hashCacheHead)+1:]) {
		c.lines++
		if path, k, ok := parseKnown(string(line)); ok {
			c.entries[path] = k
		}
	}
}

// save writes what was learned. It is best effort: without it files are read
// again, and nothing else.
func (c *hashCache) save() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.fresh) == 0 {
		return
	}
	fresh := c.fresh
	c.fresh = nil
	if c.lines == 0 || c.lines+len(fresh) > 2*len(c.entries)+1000 {
		if c.rewrite() == nil {
			c.lines = len(c.entries)
		}
		return
	}
	var b strings.Builder
	b.WriteByte('\n') // behind a line that was cut short
	for _, path := range fresh {
		b.WriteString(formatKnown(path, c.entries[path]))
	}
	f, err := os.OpenFile(c.file, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	if _, err := f.WriteString(b.String()); err == nil {
		c.lines += len(fresh)
	}
	_ = f.Close()
}

// rewrite writes every entry anew, and nothing else.
func (c *hashCache) rewrite() error {
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	fmt.Fprintln(w, hashCacheHead)
	for path, k := range c.entries {
		_, _ = w.WriteString(formatKnown(path, k))
	}
	_ = w.Flush() // into memory
	return writeFile(c.file, b.Bytes())
}

func formatKnown(path string, k known) string {
	return fmt.Sprintf("%s %d %d %d %d %s\n", k.md5, k.size, k.mtime, k.ctime, k.inode, strconv.Quote(path))
}

// parseKnown reads one line.
func parseKnown(line string) (path string, k known, ok bool) {
	line, ended := strings.CutSuffix(line, "\n")
	parts := strings.SplitN(line, " ", 6)
	if !ended || len(parts) < 6 || !isMD5(parts[0]) {
		return "", known{}, false
	}
	k.md5 = parts[0]
	var errs [5]error
	k.size, errs[0] = strconv.ParseInt(parts[1], 10, 64)
	k.mtime, errs[1] = strconv.ParseInt(parts[2], 10, 64)
	k.ctime, errs[2] = strconv.ParseInt(parts[3], 10, 64)
	k.inode, errs[3] = strconv.ParseUint(parts[4], 10, 64)
	path, errs[4] = strconv.Unquote(parts[5])
	return path, k, errs == [5]error{}
}

// identify gives a file's identity.
func identify(info fs.FileInfo) identity {
	id := identity{size: info.Size(), mtime: info.ModTime().UnixNano()}
	id.ctime, id.inode = stamps(info)
	return id
}
