package intake

import "strconv"

// line is events that go in their order: the pushes of one ref. Every other event is a line of its own.
type line struct {
	name  string
	tasks []task
}

// task is an event with what it says, which is read once: the body of a push is large.
type task struct {
	Event

	says meaning
	// unreadable is why it can never mean anything.
	unreadable error
}

func taskOf(event Event) task {
	says, err := read(event)
	return task{event, says, err}
}

// linesOf sorts events into their lines, in the order of the first of each.
func linesOf(events []Event) []line {
	var lines []line
	at := map[string]int{}
	for _, event := range events {
		task := taskOf(event)
		name := task.line()
		i, ok := at[name]
		if !ok {
			i = len(lines)
			at[name] = i
			lines = append(lines, line{name: name})
		}
		lines[i].tasks = append(lines[i].tasks, task)
	}
	return lines
}

// line names the line that a task is in.
func (t task) line() string {
	switch {
	case t.unreadable != nil:
	case t.says.change != nil:
		return t.says.change.line()
	case t.says.completed != nil:
		return "completed " + t.says.completed.Release.Lane.String()
	}
	return "event " + strconv.FormatInt(t.ID, 10)
}
