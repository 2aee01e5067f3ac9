package source

// piece is a photo whose bytes lie in one piece of a file, as in tar archives and in Arrow files.
type piece struct {
	of           *archive
	name         string
	offset, size int64
}

// String returns the archive's path and the member's name.
func (m *piece) String() string { return m.of.path + "/" + m.name }

// Stat describes the member as it was listed.
func (m *piece) Stat() (Stat, error) { return m.of.memberStat(m.size), nil }

// Open opens the archive at the member.
func (m *piece) Open() (Content, error) {
	s, err := m.of.section(m.offset, m.size)
	if err != nil {
		return nil, err
	}
	return openedPiece{s, m}, nil
}

type openedPiece struct {
	*section
	member *piece
}

func (o openedPiece) Stat() (Stat, error) {
	if err := o.unchanged(); err != nil {
		return Stat{}, err
	}
	return o.member.Stat()
}
