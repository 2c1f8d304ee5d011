//! Every limit on what comes from outside: rule texts, and messages as rules see them.
//!
//! A message that comes this far is already bounded by `mail::Limits` (its bytes); what stands here bounds what is made of it. Where SpamAssassin has a limit
//! of its own, it is the same one, because rules are weighed for what that lets them see.

// Rule texts.
/// Most rules; lines for further ones are left out.
pub(crate) const RULES_MAX: usize = 50_000;
/// Longest line, bytes; a longer one is left out. Longer than a pattern may be, whose tags are replaced when it is written again.
pub(crate) const RULE_LINE_BYTES_MAX: usize = 2 << 20;
/// Longest name of a rule, bytes.
pub(crate) const RULE_NAME_BYTES_MAX: usize = 100;
/// Most `if` and `ifplugin` within each other.
pub(crate) const CONDITION_DEPTH_MAX: usize = 50;
/// Most arguments of a call.
pub(crate) const ARGUMENTS_MAX: usize = 100;
/// Tags within tags are replaced so many times.
pub(crate) const TAG_PASSES_MAX: usize = 6;
/// Most parentheses and signs within each other in an expression over rules.
pub(crate) const EXPRESSION_DEPTH_MAX: usize = 100;
/// Most names, numbers and signs of an expression; a chain of them nests as deep as it is long.
pub(crate) const EXPRESSION_PARTS_MAX: usize = 4000;

// Patterns.
/// Longest pattern, its tags replaced, bytes.
pub(crate) const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Most groups within each other.
pub(crate) const GROUP_DEPTH_MAX: usize = 100;
/// Memory one pattern may take when it is compiled, bytes; one that needs more is refused.
pub(crate) const PROGRAM_BYTES_MAX: usize = 16 << 20;
/// Memory its automaton may take while it runs, bytes; past it the pattern runs slower, still in linear time.
pub(crate) const AUTOMATON_BYTES_MAX: usize = 8 << 20;
/// Steps a pattern may go back in one text. Past them it counts as not matching, and that is counted.
pub(crate) const STEPS_MAX: usize = 200_000;

// A message as rules see it.
/// Of a message, this much is looked at, bytes. Programs that hand mail to SpamAssassin pass about half of it at most.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Most parts.
pub(crate) const PARTS_MAX: usize = 1000;
/// Most parts within parts.
pub(crate) const LEVELS_MAX: usize = 20;
/// Longest name of a header field, bytes; the rest is cut.
pub(crate) const FIELD_NAME_BYTES_MAX: usize = 256;
/// Longest value of a header field, bytes; the rest is cut.
pub(crate) const FIELD_VALUE_BYTES_MAX: usize = 8 << 10;
/// Most bytes of the header as a whole that rules see.
pub(crate) const HEADER_BYTES_MAX: usize = 64 << 10;
/// Of one part, this much of its text as read, bytes.
pub(crate) const READ_BYTES_MAX: usize = 50_000;
/// Of one part, this much of its text as it stands, bytes.
pub(crate) const RAW_BYTES_MAX: usize = 500_000;
/// Lines of text longer than this are cut into several, bytes.
pub(crate) const TEXT_LINE_BYTES_MAX: usize = 2048;
/// Most links.
pub(crate) const LINKS_MAX: usize = 2000;
/// Most forms of one link.
pub(crate) const FORMS_MAX: usize = 50;
/// Longest link, bytes; the rest is cut.
pub(crate) const ADDRESS_BYTES_MAX: usize = 8 << 10;
/// Most elements of a page within each other that have a style; deeper ones look like the one at this depth.
pub(crate) const STYLES_MAX: usize = 500;

// What is shown.
/// Longest match shown, bytes.
pub(crate) const EVIDENCE_BYTES_MAX: usize = 120;
/// Text shown on each side of it, bytes.
pub(crate) const EVIDENCE_AROUND: usize = 30;
