package weights

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// Limits of one pickle, far above what a state dict needs: a thousand tensors take about 50,000 steps.
const (
	maxPickleSteps = 8_000_000
	maxPickleStack = 2_000_000
	maxPickleMarks = 1_000 // how deep containers may nest while they are built
	maxPickleInt   = 32    // bytes of one whole number
)

// mark is what MARK pushes.
type mark struct{}

// unpickler runs Python's pickle machine on a closed set of values. It can't call or look up anything in a program.
type unpickler struct {
	in         []byte
	at         int
	stack      []any
	marks      []int // the position of each mark in stack
	memo       map[uint32]any
	persistent func(id tuple) (any, error) // resolves a persistent id, or nil
	budget     *budget
}

// Bytes of memory of values, with their share of growing slices and maps. One byte of a pickle can create the largest.
const (
	slotBytes  = 40  // of a value on the stack, with its number, and then in a list or a tuple
	objectCost = 64  // of a list's, a string's or a tuple's own
	dictCost   = 400 // of a dict with one item
	itemCost   = 150 // of a further item
	memoCost   = 90
	tensorCost = 400 // of a tensor or storage
)

// unpickle runs the pickle at the beginning of in and returns its value and its length in bytes. It takes the values'
// memory from b.
func unpickle(in []byte, persistent func(tuple) (any, error), b *budget) (any, int, error) {
	u := &unpickler{in: in, memo: map[uint32]any{}, persistent: persistent, budget: b}
	for range maxPickleSteps {
		at := u.at
		op, err := u.byte()
		if err != nil {
			return nil, 0, err
		}
		if op == opStop {
			value, err := u.pop()
			if err == nil && len(u.stack) > 0 {
				err = errors.New("values left over at its end")
			}
			return value, u.at, err
		}
		if err := u.step(op); err != nil {
			return nil, 0, fmt.Errorf("pickle, byte %d: %w", at, err)
		}
		if len(u.stack) > maxPickleStack || len(u.marks) > maxPickleMarks {
			return nil, 0, fmt.Errorf("pickle, byte %d: nested too deep", at)
		}
	}
	return nil, 0, fmt.Errorf("a pickle of more than %d steps", maxPickleSteps)
}

// The opcodes of protocols 2 to 5 that fx reads. Source: Lib/pickletools.py of CPython.
const (
	opMark, opStop, opPop, opPopMark, opDup           = '(', '.', '0', '1', '2'
	opNone, opTrue, opFalse, opInt                    = 'N', '\x88', '\x89', 'I'
	opBinInt, opBinInt1, opBinInt2, opLong1, opLong4  = 'J', 'K', 'M', '\x8a', '\x8b'
	opBinFloat                                        = 'G'
	opBinString, opShortBinString                     = 'T', 'U'
	opBinUnicode, opShortBinUnicode, opBinUnicode8    = 'X', '\x8c', '\x8d'
	opBinBytes, opShortBinBytes, opBinBytes8          = 'B', 'C', '\x8e'
	opEmptyTuple, opTuple, opTuple1, opTuple2, opTup3 = ')', 't', '\x85', '\x86', '\x87'
	opEmptyList, opList, opAppend, opAppends          = ']', 'l', 'a', 'e'
	opEmptyDict, opDict, opSetItem, opSetItems        = '}', 'd', 's', 'u'
	opGet1, opGet4, opPut1, opPut4, opMemoize         = 'h', 'j', 'q', 'r', '\x94'
	opGlobal, opStackGlobal, opReduce, opNewObj       = 'c', '\x93', 'R', '\x81'
	opBuild, opBinPersID, opProto, opFrame            = 'b', 'Q', '\x80', '\x95'
)

func (u *unpickler) step(op byte) error {
	switch op {
	case opProto, opFrame:
		return u.header(op)
	case opMark:
		u.marks = append(u.marks, len(u.stack))
		return u.push(mark{}, nil)
	case opPop:
		return u.drop()
	case opPopMark:
		_, err := u.popMark()
		return err
	case opDup:
		v, err := u.top()
		return u.push(v, err)
	case opNone:
		return u.push(nil, nil)
	case opTrue, opFalse:
		return u.push(op == opTrue, nil)
	case opInt, opBinInt, opBinInt1, opBinInt2, opLong1, opLong4, opBinFloat:
		v, err := u.number(op)
		return u.push(v, err)
	case opBinString, opShortBinString, opBinUnicode, opShortBinUnicode, opBinUnicode8,
		opBinBytes, opShortBinBytes, opBinBytes8:
		v, size, err := u.text(op)
		return u.pushObject(v, err, objectCost+size)
	case opEmptyTuple:
		return u.pushObject(tuple{}, nil, objectCost)
	case opTuple, opTuple1, opTuple2, opTup3:
		return u.tuple(op)
	case opEmptyList:
		return u.pushObject(&list{}, nil, objectCost)
	case opList:
		items, err := u.popMark()
		return u.pushObject(&list{items}, err, objectCost)
	case opAppend, opAppends:
		return u.appendItems(op)
	case opEmptyDict:
		return u.pushObject(newDict(), nil, dictCost)
	case opDict, opSetItem, opSetItems:
		return u.setItems(op)
	case opGet1, opGet4, opPut1, opPut4, opMemoize:
		return u.remember(op)
	case opGlobal, opStackGlobal:
		return u.global(op)
	case opReduce, opNewObj:
		return u.call()
	case opBuild:
		return u.build()
	case opBinPersID:
		return u.persist()
	}
	return fmt.Errorf("operation %q, which no weights need", op)
}

func (u *unpickler) header(op byte) error {
	if op == opFrame { // a hint for readers of streams
		size, err := u.uint(8)
		if err == nil && size > uint64(len(u.in)-u.at) {
			err = errTruncated
		}
		return err
	}
	version, err := u.byte()
	if err == nil && version > 5 {
		err = fmt.Errorf("pickle protocol %d: fx reads up to 5", version)
	}
	return err
}

func (u *unpickler) number(op byte) (any, error) {
	switch op {
	case opInt: // Python 2 writes numbers above 32 bits this way
		line, err := u.line(24)
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseInt(line, 10, 64)
		return n, err
	case opBinInt:
		n, err := u.uint(4)
		return int64(int32(n)), err
	case opBinInt1:
		n, err := u.uint(1)
		return int64(n), err
	case opBinInt2:
		n, err := u.uint(2)
		return int64(n), err
	case opBinFloat:
		b, err := u.take(8)
		if err != nil {
			return nil, err
		}
		return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
	}
	size, err := u.uint(map[byte]int{opLong1: 1, opLong4: 4}[op])
	if err != nil {
		return nil, err
	}
	if size > maxPickleInt {
		return nil, fmt.Errorf("a number of %d bytes", size)
	}
	b, err := u.take(int(size))
	if err != nil || size > 8 {
		return bigInt(b), err
	}
	var n uint64
	for i, x := range b {
		n |= uint64(x) << (8 * i)
	}
	unused := 64 - 8*len(b)
	return int64(n<<unused) >> unused, nil // shifts by 64 give 0
}

// text returns a string or bytes, and the bytes of memory.
func (u *unpickler) text(op byte) (any, int, error) {
	width := 4
	switch op {
	case opShortBinString, opShortBinUnicode, opShortBinBytes:
		width = 1
	case opBinUnicode8, opBinBytes8:
		width = 8
	}
	size, err := u.uint(width)
	if err != nil {
		return nil, 0, err
	}
	if size > uint64(len(u.in)-u.at) {
		return nil, 0, errTruncated
	}
	b, err := u.take(int(size))
	if err != nil {
		return nil, 0, err
	}
	switch op {
	case opBinBytes, opShortBinBytes, opBinBytes8:
		return rawBytes(b), 0, nil // the file's own memory
	}
	if !utf8.Valid(b) {
		return nil, 0, errors.New("a string that is not UTF-8")
	}
	return string(b), len(b), nil
}

// remember moves values between the stack and the memo.
func (u *unpickler) remember(op byte) error {
	key := uint64(len(u.memo))
	var err error
	switch op {
	case opGet1, opPut1:
		key, err = u.uint(1)
	case opGet4, opPut4:
		key, err = u.uint(4)
	}
	if err != nil {
		return err
	}
	if op == opGet1 || op == opGet4 {
		v, ok := u.memo[uint32(key)]
		if !ok {
			return fmt.Errorf("memo %d was never filled", key)
		}
		return u.push(v, nil)
	}
	v, err := u.top()
	if err == nil {
		err = u.budget.take(memoCost)
	}
	if err == nil {
		u.memo[uint32(key)] = v
	}
	return err
}

func (u *unpickler) persist() error {
	v, err := u.pop()
	if err != nil {
		return err
	}
	id, ok := v.(tuple)
	if !ok || u.persistent == nil {
		return fmt.Errorf("a persistent id that is %s", kindOf(v))
	}
	v, err = u.persistent(id)
	return u.pushObject(v, err, tensorCost)
}

var errTruncated = errors.New("it ends in the middle: truncated?")

func (u *unpickler) take(n int) ([]byte, error) {
	if n > len(u.in)-u.at {
		return nil, errTruncated
	}
	b := u.in[u.at : u.at+n]
	u.at += n
	return b, nil
}

func (u *unpickler) byte() (byte, error) {
	b, err := u.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// uint reads a number of n bytes, little endian.
func (u *unpickler) uint(n int) (uint64, error) {
	b, err := u.take(n)
	var v uint64
	for i, x := range b {
		v |= uint64(x) << (8 * i)
	}
	return v, err
}

// line reads up to a newline, at most limit bytes.
func (u *unpickler) line(limit int) (string, error) {
	rest := u.in[u.at:min(len(u.in), u.at+limit+1)]
	end := bytes.IndexByte(rest, '\n')
	switch {
	case end < 0 && len(rest) > limit:
		return "", errors.New("a line that is too long")
	case end < 0:
		return "", errTruncated
	}
	u.at += end + 1
	return string(rest[:end]), nil
}
