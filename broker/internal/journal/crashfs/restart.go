package crashfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// sector is how much of a write the disk does in one.
const sector = 512

// Restart crashes the machine, if it has not yet, and gives the disk that it finds when it is up
// again. The die decides of each change that was not synced: of names, whether it was done; of data,
// also which sectors of it. A sector that was not written has what it had before, or noise.
func (f *FS) Restart(die *rand.Rand) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = true
	d := &damage{die: die, luck: []float64{0, 0.3, 0.7, 1}[die.IntN(4)]}
	names := maps.Clone(f.disk)
	for _, r := range f.renames {
		if d.lucky() {
			r.apply(names)
		}
	}
	after, done := New(), make(map[*inode]*inode)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		file := names[name]
		if done[file] == nil {
			data := d.survivor(file)
			done[file] = &inode{data: data, disk: append([]byte(nil), data...)}
		}
		after.names[name], after.disk[name] = done[file], done[file]
	}
	return after
}

// A damage is one crash.
type damage struct {
	die  *rand.Rand
	luck float64 // how likely a thing is to outlive it
}

func (d *damage) lucky() bool { return d.die.Float64() < d.luck }

// survivor gives what is left of a file.
func (d *damage) survivor(file *inode) []byte {
	data := append([]byte(nil), file.disk...)
	for _, w := range file.writes {
		switch {
		case w.data == nil && d.lucky():
			data = data[:min(w.offset, len(data))]
		case w.data == nil:
		case d.die.Float64() < d.luck*d.luck: // less likely: the rest is torn
			data = put(data, w.offset, w.data)
		default:
			data = d.tear(data, w)
		}
	}
	return data
}

// tear does a write by halves.
func (d *damage) tear(data []byte, w write) []byte {
	for from := 0; from < len(w.data); {
		to := min(len(w.data), from+sector-(w.offset+from)%sector)
		switch part := w.data[from:to]; {
		case d.lucky():
			data = put(data, w.offset+from, part)
		case d.lucky():
			noise := make([]byte, len(part))
			for i := range noise {
				noise[i] = byte(d.die.Uint32())
			}
			data = put(data, w.offset+from, noise)
		}
		from = to
	}
	return data
}

// put writes at an offset. What lies between the end of the data and that is zero.
func put(data []byte, offset int, part []byte) []byte {
	if missing := offset + len(part) - len(data); missing > 0 {
		data = append(data, make([]byte, missing)...)
	}
	copy(data[offset:], part)
	return data
}

// Kill gives the disk as another process finds it when this one was killed: the system still does
// all that it was told to do.
func (f *FS) Kill() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = true
	// Nobody writes to the files here any more, so the two can share them.
	after := New()
	after.names, after.disk, after.renames = f.names, f.disk, f.renames
	return after
}
