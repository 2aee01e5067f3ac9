package weights

import (
	"errors"
	"fmt"
)

var errStack = errors.New("a value is missing")

func (u *unpickler) push(v any, err error) error { return u.pushObject(v, err, 0) }

// pushObject is push of a new value that takes size bytes besides its slot.
func (u *unpickler) pushObject(v any, err error, size int) error {
	if err == nil {
		err = u.budget.take(slotBytes + size)
	}
	if err == nil {
		u.stack = append(u.stack, v)
	}
	return err
}

// top returns the value on top, never a mark.
func (u *unpickler) top() (any, error) {
	if len(u.stack) == 0 {
		return nil, errStack
	}
	v := u.stack[len(u.stack)-1]
	if _, ok := v.(mark); ok {
		return nil, errStack
	}
	return v, nil
}

func (u *unpickler) pop() (any, error) {
	v, err := u.top()
	if err == nil {
		u.stack[len(u.stack)-1] = nil
		u.stack = u.stack[:len(u.stack)-1]
	}
	return v, err
}

// drop implements POP, which also removes a mark.
func (u *unpickler) drop() error {
	if len(u.marks) > 0 && u.marks[len(u.marks)-1] == len(u.stack)-1 {
		_, err := u.popMark()
		return err
	}
	_, err := u.pop()
	return err
}

// popMark removes and returns the values above the last mark, and removes the mark.
func (u *unpickler) popMark() ([]any, error) {
	if len(u.marks) == 0 {
		return nil, errors.New("a mark is missing")
	}
	at := u.marks[len(u.marks)-1]
	u.marks = u.marks[:len(u.marks)-1]
	items := append([]any(nil), u.stack[at+1:]...)
	clear(u.stack[at:])
	u.stack = u.stack[:at]
	return items, nil
}

// popN removes and returns the n values on top.
func (u *unpickler) popN(n int) ([]any, error) {
	items := make([]any, n)
	for i := n - 1; i >= 0; i-- {
		var err error
		if items[i], err = u.pop(); err != nil {
			return nil, err
		}
	}
	return items, nil
}

func (u *unpickler) tuple(op byte) error {
	var items []any
	var err error
	switch op {
	case opTuple:
		items, err = u.popMark()
	case opTuple1:
		items, err = u.popN(1)
	case opTuple2:
		items, err = u.popN(2)
	case opTup3:
		items, err = u.popN(3)
	}
	return u.pushObject(tuple(items), err, objectCost)
}

func (u *unpickler) appendItems(op byte) error {
	var items []any
	var err error
	if op == opAppend {
		items, err = u.popN(1)
	} else {
		items, err = u.popMark()
	}
	if err != nil {
		return err
	}
	v, err := u.top()
	if err != nil {
		return err
	}
	l, ok := v.(*list)
	if !ok {
		return fmt.Errorf("values appended to %s", kindOf(v))
	}
	l.items = append(l.items, items...)
	return nil
}

func (u *unpickler) setItems(op byte) error {
	var items []any
	var err error
	if op == opSetItem {
		items, err = u.popN(2)
	} else {
		items, err = u.popMark()
	}
	if err != nil {
		return err
	}
	if op == opDict {
		if err := u.pushObject(newDict(), nil, dictCost); err != nil {
			return err
		}
	}
	v, err := u.top()
	if err != nil {
		return err
	}
	d, ok := v.(*dict)
	if !ok {
		return fmt.Errorf("items set in %s", kindOf(v))
	}
	if len(items)%2 != 0 {
		return errStack
	}
	if err := u.budget.take(itemCost * len(items) / 2); err != nil {
		return err
	}
	for i := 0; i < len(items); i += 2 {
		if err := d.set(items[i], items[i+1]); err != nil {
			return err
		}
	}
	return nil
}
