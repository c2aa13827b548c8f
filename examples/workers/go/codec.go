package jobwire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// Fields is a document, or an object in one: values of SPEC.md section 4.3, numbers as float64.
type Fields = map[string]any

const (
	maxBytes   = 1048576
	maxDepth   = 32
	maxInteger = 9007199254740991
	// What a reader follows; deeper input is malformed before it can fill the stack.
	readDepth = 1000
)

// Rejected is an envelope that cannot be taken; Field names the bad field of an invalid one.
type Rejected struct{ Code, Field, Message string }

func (r *Rejected) Error() string { return r.Message }

func (r *Rejected) problem() Problem {
	if r.Field == "" {
		return Problem{Code: r.Code, Message: r.Message}
	}
	return Problem{Code: r.Code, Message: r.Message, Details: Fields{"field": r.Field}}
}

var errNotUTF8 = errors.New("a string that is not valid UTF-8")

// ErrUnwritable and ErrTooLarge are what section 4.3 forbids a writer.
var (
	ErrUnwritable = errors.New("no value of section 4.3")
	ErrTooLarge   = fmt.Errorf("over %d bytes [VAL-10]", maxBytes)
)

// Read returns the value and the encoding of a document: "json" or "msgpack". [ENC-1]
func Read(data []byte) (Fields, string, error) {
	var value any
	var err error
	encoding := "json"
	switch {
	case len(data) > 0 && data[0] == '{':
		if err = json.Unmarshal(data, &value); err == nil && !utf8.Valid(data) {
			err = errNotUTF8
		}
	case len(data) > 0 && (data[0]&0xf0 == 0x80 || data[0] == 0xde || data[0] == 0xdf):
		encoding = "msgpack"
		value, err = unpack(data)
	default:
		err = fmt.Errorf("expected the first byte of an object, got %x [ENC-1]", data[:min(len(data), 1)])
	}
	if err != nil {
		return nil, "json", &Rejected{Code: "malformed", Message: err.Error()}
	}
	return value.(Fields), encoding, nil
}

func unpack(data []byte) (any, error) {
	source := bytes.NewReader(data)
	value, err := unpackValue(msgpack.NewDecoder(source), readDepth)
	if err == nil && source.Len() > 0 {
		err = fmt.Errorf("%d bytes after the end of the value", source.Len())
	}
	return value, err
}

func unpackValue(decoder *msgpack.Decoder, room int) (any, error) {
	code, err := decoder.PeekCode()
	switch {
	case err != nil:
		return nil, err
	case room == 0:
		return nil, errors.New("nested too deeply")
	case code == msgpcode.Nil:
		return nil, decoder.DecodeNil()
	case code == msgpcode.True || code == msgpcode.False:
		return decoder.DecodeBool()
	case msgpcode.IsString(code):
		text, err := decoder.DecodeString()
		if err == nil && !utf8.ValidString(text) {
			err = errNotUTF8
		}
		return text, err
	case msgpcode.IsFixedNum(code) || code >= msgpcode.Float && code <= msgpcode.Int64:
		return unpackNumber(decoder, code)
	case msgpcode.IsFixedArray(code) || code == msgpcode.Array16 || code == msgpcode.Array32:
		return unpackArray(decoder, room)
	case msgpcode.IsFixedMap(code) || code == msgpcode.Map16 || code == msgpcode.Map32:
		return unpackMap(decoder, room)
	}
	return nil, fmt.Errorf("%#x: bin, ext and timestamp are no values [VAL-8]", code)
}

func unpackNumber(decoder *msgpack.Decoder, code byte) (any, error) {
	if code == msgpcode.Uint64 {
		number, err := decoder.DecodeUint64()
		return float64(number), err
	}
	if code == msgpcode.Float || code == msgpcode.Double {
		number, err := decoder.DecodeFloat64()
		if err == nil && (math.IsNaN(number) || math.IsInf(number, 0)) {
			err = fmt.Errorf("%v is not finite", number)
		}
		return number, err
	}
	number, err := decoder.DecodeInt64()
	return float64(number), err
}

// A declared length can be 4 GiB: memory is taken as members come.
func unpackArray(decoder *msgpack.Decoder, room int) (any, error) {
	length, err := decoder.DecodeArrayLen()
	array := []any{}
	for ; err == nil && length > 0; length-- {
		var member any
		member, err = unpackValue(decoder, room-1)
		array = append(array, member)
	}
	return array, err
}

func unpackMap(decoder *msgpack.Decoder, room int) (any, error) {
	length, err := decoder.DecodeMapLen()
	object := Fields{}
	for ; err == nil && length > 0; length-- {
		var key, member any
		if key, err = unpackValue(decoder, room-1); err == nil {
			member, err = unpackValue(decoder, room-1)
		}
		name, isString := key.(string)
		if err == nil && !isString {
			err = errors.New("expected a string as key")
		}
		object[name] = member
	}
	return object, err
}

// Write returns a document as bytes, or an error that is ErrUnwritable or ErrTooLarge.
func Write(value Fields, encoding string) ([]byte, error) {
	plain, err := writable(value, maxDepth)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if encoding == "msgpack" {
		encoder := msgpack.NewEncoder(&out)
		encoder.UseCompactInts(true)
		err = encoder.Encode(plain)
	} else {
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(plain)
		out.Truncate(max(0, out.Len()-1)) // the newline that it adds
	}
	if err == nil && out.Len() > maxBytes {
		err = ErrTooLarge
	}
	return out.Bytes(), err
}

// writable checks a value that is to be written and turns numbers into what both encoders write well.
func writable(value any, room int) (any, error) {
	switch value := value.(type) {
	case nil, bool:
		return value, nil
	case string:
		if !utf8.ValidString(value) {
			return nil, fmt.Errorf("%w: a string that is not valid UTF-8 [VAL-7]", ErrUnwritable)
		}
		return value, nil
	case int:
		return writableInteger(int64(value))
	case int64:
		return writableInteger(value)
	case float64:
		return writableFloat(value)
	case []any:
		return writableArray(value, room)
	case Fields:
		return writableObject(value, room)
	}
	return nil, fmt.Errorf("%w: %T", ErrUnwritable, value)
}

func writableInteger(value int64) (any, error) {
	if value > maxInteger || value < -maxInteger {
		return nil, fmt.Errorf("%w: the integer %d [VAL-3]", ErrUnwritable, value)
	}
	return value, nil
}

func writableFloat(value float64) (any, error) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return nil, fmt.Errorf("%w: %v is not finite [VAL-5]", ErrUnwritable, value)
	}
	if value == math.Trunc(value) && math.Abs(value) <= maxInteger {
		return int64(value), nil // [VAL-4]
	}
	return value, nil
}

func writableArray(value []any, room int) (any, error) {
	if room < 1 {
		return nil, fmt.Errorf("%w: too deep [VAL-9]", ErrUnwritable)
	}
	array := make([]any, len(value))
	for index, member := range value {
		var err error
		if array[index], err = writable(member, room-1); err != nil {
			return nil, err
		}
	}
	return array, nil
}

func writableObject(value Fields, room int) (any, error) {
	if room < 1 {
		return nil, fmt.Errorf("%w: too deep [VAL-9]", ErrUnwritable)
	}
	object, folded := make(Fields, len(value)), make(map[string]bool, len(value))
	for key, member := range value {
		if !utf8.ValidString(key) || folded[foldASCII(key)] {
			return nil, fmt.Errorf("%w: the key %q [VAL-6] [VAL-7]", ErrUnwritable, key)
		}
		folded[foldASCII(key)] = true
		var err error
		if object[key], err = writable(member, room-1); err != nil {
			return nil, err
		}
	}
	return object, nil
}

func foldASCII(key string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, key)
}

// ---- fields

type rule func(value any) bool

var (
	idPattern      = regexp.MustCompile(`\A[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}\z`)
	versionPattern = regexp.MustCompile(`\A[0-9]+\.[0-9]+\z`)
	majorPattern   = regexp.MustCompile(`\A0*1\.`)
)

func isID(value any) bool     { text, ok := value.(string); return ok && idPattern.MatchString(text) }
func isQueue(value any) bool  { return isID(value) && !strings.Contains(value.(string), ":") }
func isArray(value any) bool  { _, ok := value.([]any); return ok }
func isObject(value any) bool { _, ok := value.(Fields); return ok }
func isBool(value any) bool   { _, ok := value.(bool); return ok }
func isText(value any) bool   { _, ok := value.(string); return ok }

func number(low, high float64) rule {
	return func(value any) bool { n, ok := value.(float64); return ok && n >= low && n <= high }
}

func integer(low, high float64) rule {
	return func(value any) bool { return number(low, high)(value) && value == math.Trunc(value.(float64)) }
}

type rules map[string]rule

var (
	required = rules{"id": isID, "type": isID, "queue": isQueue}
	common   = rules{
		"args": isArray, "kwargs": isObject, "headers": isObject, "retry": isObject, "join": isObject,
		"created_at": integer(0, maxInteger), "run_at": integer(0, maxInteger), "expires_at": integer(0, maxInteger),
		"timeout_ms": integer(1, maxInteger), "result_ttl_ms": integer(0, maxInteger), "priority": integer(0, 9),
	}
	jobOnly    = rules{"root_id": isID, "parent_id": isID, "then": isArray}
	stepOnly   = rules{"pass_result": isBool}
	retryRules = rules{
		"max_attempts": integer(1, 1000), "delay_ms": integer(0, maxInteger), "factor": number(1, 1000),
		"max_delay_ms": integer(0, maxInteger), "jitter": number(0, 1), "no_retry_on": isArray,
	}
	joinRequired  = rules{"group": isID, "index": integer(0, 999), "size": integer(1, 1000), "then": isArray}
	joinOptional  = rules{"ttl_ms": integer(1, maxInteger)}
	outcomeFields = rules{
		"id": isID, "attempt": integer(0, maxInteger), "finished_at": integer(0, maxInteger),
		"state": func(value any) bool {
			return slices.Contains([]any{"succeeded", "failed", "cancelled", "expired", "retrying"}, value)
		},
	}
)

func invalid(field string, value any, requirement string) error {
	return &Rejected{Code: "invalid", Field: field, Message: fmt.Sprintf("%s: got %.80v [%s]", field, value, requirement)}
}

// Decode returns the envelope in these bytes, all its fields checked, what is null left out, and its encoding.
func Decode(data []byte) (Fields, string, error) {
	value, encoding, err := Read(data)
	if err == nil {
		err = Validate(value)
	}
	return present(value), encoding, err
}

// Validate checks all fields of an envelope and of its steps. [FIELD-1..9] [FLOW-1] [FLOW-2]
func Validate(job Fields) error {
	if err := checkVersion(job); err != nil {
		return err
	}
	if err := errors.Join(check(job, required, true, ""), check(job, common, false, ""), check(job, jobOnly, false, "")); err != nil {
		return first(err)
	}
	return checkFlow(job, map[any]bool{job["id"]: true}, "", present(job)["then"])
}

// One bad field is named, not all. [FIELD-7]
func first(err error) error {
	if rejected := (*Rejected)(nil); errors.As(err, &rejected) {
		return rejected
	}
	return err
}

func checkVersion(document Fields) error {
	version, ok := document["jobwire"].(string)
	if !ok || !versionPattern.MatchString(version) {
		return invalid("jobwire", document["jobwire"], "FIELD-4")
	}
	if !majorPattern.MatchString(version) {
		return &Rejected{Code: "unsupported_version", Message: fmt.Sprintf("expected version 1.x, got %.80s [FIELD-3]", version)}
	}
	return nil
}

func check(value Fields, names rules, needed bool, path string) error {
	for name, good := range names {
		member := value[name]
		if member == nil && needed || member != nil && !good(member) {
			return invalid(path+name, member, "FIELD-5")
		}
	}
	if retry, ok := value["retry"].(Fields); ok && names["retry"] != nil {
		return checkRetry(retry, path+"retry.")
	}
	return nil
}

func checkRetry(retry Fields, path string) error {
	if err := check(retry, retryRules, false, path); err != nil {
		return err
	}
	names, _ := retry["no_retry_on"].([]any)
	for index, name := range names {
		if !isText(name) {
			return invalid(fmt.Sprintf("%sno_retry_on.%d", path, index), name, "FIELD-5")
		}
	}
	return nil
}

func checkFlow(value Fields, seen map[any]bool, path string, then any) error {
	steps, _ := then.([]any)
	join, joins := value["join"].(Fields)
	if joins && len(steps) > 0 {
		return invalid(path+"join", "both then and join", "FLOW-1")
	}
	if err := checkSteps(steps, seen, path+"then."); err != nil || !joins {
		return err
	}
	path += "join."
	if err := errors.Join(check(join, joinRequired, true, path), check(join, joinOptional, false, path)); err != nil {
		return first(err)
	}
	if join["index"].(float64) >= join["size"].(float64) {
		return invalid(path+"index", join["index"], "FIELD-5")
	}
	if len(join["then"].([]any)) == 0 {
		return invalid(path+"then", "no step", "FIELD-5")
	}
	return checkSteps(join["then"].([]any), seen, path+"then.")
}

func checkSteps(steps []any, seen map[any]bool, path string) error {
	for index, member := range steps {
		here := fmt.Sprintf("%s%d", path, index)
		step, ok := member.(Fields)
		if !ok {
			return invalid(here, member, "FLOW-2")
		}
		if err := checkStep(step, seen, here+".", index == len(steps)-1); err != nil {
			return err
		}
	}
	return nil
}

func checkStep(step Fields, seen map[any]bool, path string, last bool) error {
	for _, name := range []string{"jobwire", "then", "root_id", "parent_id"} {
		if value, there := step[name]; there {
			return invalid(path+name, value, "FLOW-1")
		}
	}
	if err := errors.Join(check(step, required, true, path), check(step, common, false, path), check(step, stepOnly, false, path)); err != nil {
		return first(err)
	}
	if seen[step["id"]] {
		return invalid(path+"id", "an id that stands twice", "FLOW-2")
	}
	if step["join"] != nil && !last {
		return invalid(path+"join", "a join before the last step", "FLOW-1")
	}
	seen[step["id"]] = true
	return checkFlow(step, seen, path, nil)
}

// present leaves out what is null. [FIELD-9] [FIELD-10]
func present(value Fields) Fields {
	left := make(Fields, len(value))
	for name, member := range value {
		if member != nil {
			left[name] = member
		}
	}
	return left
}

// withoutNulls leaves out what is null in all the fields that SPEC.md knows, those of steps too. [FIELD-10]
func withoutNulls(value Fields) Fields {
	left := present(value)
	for _, name := range []string{"retry", "join"} {
		if member, ok := left[name].(Fields); ok {
			left[name] = withoutNulls(member)
		}
	}
	if steps, ok := left["then"].([]any); ok {
		clean := make([]any, len(steps))
		for index, step := range steps {
			clean[index] = withoutNulls(step.(Fields))
		}
		left["then"] = clean
	}
	return left
}

// ReadOutcome returns the outcome in these bytes, as section 5 has it.
func ReadOutcome(data []byte) (Fields, error) {
	value, _, err := Read(data)
	if err == nil {
		err = checkVersion(value)
	}
	if err == nil {
		err = first(errors.Join(check(value, outcomeFields, true, ""), check(value, rules{"worker": isID, "error": isObject}, false, "")))
	}
	if err == nil && value["state"] != "succeeded" {
		problem, _ := value["error"].(Fields)
		err = check(problem, rules{"code": isText, "message": isText}, true, "error.")
	}
	return value, err
}

// Policy says how a job is retried, defaults filled in.
type Policy struct {
	MaxAttempts                         int
	DelayMs, Factor, MaxDelayMs, Jitter float64
	NoRetryOn                           []any
}

func policyOf(job Fields) Policy {
	retry, _ := job["retry"].(Fields)
	number := func(name string, otherwise float64) float64 {
		if value, ok := retry[name].(float64); ok {
			return value
		}
		return otherwise
	}
	policy := Policy{
		MaxAttempts: int(number("max_attempts", 3)), DelayMs: number("delay_ms", 1000), Factor: number("factor", 2),
		MaxDelayMs: number("max_delay_ms", 300000), Jitter: number("jitter", 0.1),
	}
	policy.NoRetryOn, _ = retry["no_retry_on"].([]any)
	return policy
}

// DelayRange returns the lowest and the highest delay in ms after an attempt. [RETRY-6]
func (p Policy) DelayRange(attempt int) (int64, int64) {
	ms := min(p.DelayMs, p.MaxDelayMs)
	for range attempt - 1 {
		ms = min(ms*p.Factor, p.MaxDelayMs)
	}
	return int64(math.Floor(ms * (1 - p.Jitter))), int64(math.Floor(ms))
}

// text makes valid UTF-8 of it and cuts it on a character to so many bytes. [OUT-4]
func text(value string, limit int) string {
	value = strings.ToValidUTF8(value, "\uFFFD")
	for limit = min(limit, len(value)); limit < len(value) && !utf8.RuneStart(value[limit]); limit-- {
	}
	return value[:limit]
}

// writeError returns the bytes of an outcome with an error; details, then the stack go if they do not fit. [OUT-5]
func writeError(outcome Fields, problem Problem, encoding string) []byte {
	problem.Message, problem.Type, problem.Stack = text(problem.Message, 4096), text(problem.Type, 256), text(problem.Stack, 16384)
	for {
		outcome["error"] = problem.fields()
		data, err := Write(outcome, encoding)
		switch {
		case err == nil:
			return data
		case problem.Details != nil:
			problem.Details = nil
		default:
			problem.Stack = ""
		}
	}
}

// Problem is what an outcome says of an error.
type Problem struct {
	Code, Message, Type, Stack string
	Details                    any
	Final                      bool
}

func (p Problem) fields() Fields {
	fields := Fields{"code": p.Code, "message": p.Message, "details": p.Details}
	if p.Type != "" {
		fields["type"] = p.Type
	}
	if p.Stack != "" {
		fields["stack"] = p.Stack
	}
	return present(fields)
}

// nextEnvelope returns the envelope that a job hands over: a step, with what went before as first argument. [FLOW-6..10]
func nextEnvelope(job Fields, step Fields, before any, rest []any) Fields {
	next := present(step)
	delete(next, "pass_result")
	args, _ := step["args"].([]any)
	if step["pass_result"] != false {
		args = append([]any{before}, args...)
	}
	next["jobwire"], next["args"], next["parent_id"], next["root_id"] = job["jobwire"], args, job["id"], job["root_id"]
	if args == nil {
		delete(next, "args")
	}
	if next["root_id"] == nil {
		next["root_id"] = job["id"]
	}
	if len(rest) > 0 {
		next["then"] = rest
	}
	return next
}

// enqueueArguments returns id, envelope, run_at, max_attempts and priority, as enqueue and pass take them. [PROD-1]
func enqueueArguments(job Fields, encoding string) ([]any, error) {
	data, err := Write(job, encoding)
	return []any{job["id"], data, integerOf(job, "run_at", 0), policyOf(job).MaxAttempts, integerOf(job, "priority", 4)}, err
}

func integerOf(job Fields, name string, otherwise int64) int64 {
	if value, ok := job[name].(float64); ok {
		return int64(value)
	}
	return otherwise
}

// WithDefaults returns an envelope with the defaults of section 4.2.
func WithDefaults(job Fields) Fields {
	policy := policyOf(job)
	full := Fields{"args": []any{}, "kwargs": Fields{}, "headers": Fields{}, "then": []any{}, "priority": 4, "result_ttl_ms": 600000}
	for name, member := range present(job) {
		full[name] = member
	}
	if policy.NoRetryOn == nil {
		policy.NoRetryOn = []any{}
	}
	full["retry"] = Fields{
		"max_attempts": policy.MaxAttempts, "delay_ms": policy.DelayMs, "factor": policy.Factor,
		"max_delay_ms": policy.MaxDelayMs, "jitter": policy.Jitter, "no_retry_on": policy.NoRetryOn,
	}
	return full
}

// PolicyOf reads the retry object of an envelope.
func PolicyOf(retry any) Policy { return policyOf(Fields{"retry": retry}) }
