// SPDX-License-Identifier: Apache-2.0
// A mail message (RFC 5322, RFC 2045 to 2049) as it streams: its head, and the content of each of its parts with transfer codings undone. Readers
// of mail differ in what they make of what is odd, and an attacker writes what his victim's reader finds and ours does not: so what may be read
// in several ways is read in all of them (union scanning), and the message is said to be ambiguous. Nothing is ever refused here: what goes beyond
// a bound is said (`too_deep`, `too_many`), and whoever inspects does not call such a message clean.
//
// The first pass reads in the way of most readers. Where a part's own header leaves open how it is decoded, it gives what others decode besides (a
// `Part` each). What shows only on the way (octets that are no base64), or is about more than one part (which boundary, which header counts), is left
// to further passes over the whole message, each with a reader of its own: `other_readings` names them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"

namespace sluice::mime {

// Why readers may disagree: email.ambiguities, each once a message, as to_string says it.
enum class Ambiguity : std::uint8_t {
    duplicate_header,  // two Content-Type, Content-Transfer-Encoding, Content-Disposition, MIME-Version, …
    duplicate_parameter,  // two of one name in one field, or an extended and a plain one that differ
    bad_header,  // a line without a colon, a blank before it, a NUL, a continuation without a field, an encoded structured field, …
    bad_content_type,  // cannot be parsed strictly, but some readers make something of it
    bad_transfer_encoding,  // unknown, decorated, encoded, or one that its type may not have (a multipart in base64)
    bad_boundary,  // missing, empty, too long, with octets that readers trim or cut at, one that is another's beginning, inner equals outer
    unclosed_multipart,  // its last boundary never came
    stray_part,  // what looks like a part where none should be: preamble, epilogue, behind the last boundary
    bad_base64,  // octets outside the alphabet, padding in the middle, what follows padding, a truncated last quantum
    bad_quoted_printable,
    bad_encoded_word,  // RFC 2047 or 2231 where it does not belong, or broken
    uuencoded,  // uuencode (or its like: xxencode, BinHex, yEnc) within a text
    no_mime_version,  // MIME fields, and no MIME-Version
    partial_message,  // message/partial, message/external-body: the content is elsewhere
    bad_tnef,
    bad_smime,  // what should be CMS cannot be parsed, or is of a kind that is not looked into
    too_deep,  // nested beyond Limits::mail_depth
    too_many,  // parts or header octets beyond Limits::mail_parts, mail_header_bytes
};
std::string_view to_string(Ambiguity ambiguity);  // "duplicate-header"

// A reading for another pass over the whole message.
enum class Reading : std::uint8_t {
    usual,
    last_wins,  // the other choice: of duplicates the last field and parameter, boundaries by their beginning, a bare CR ends a line, multiparts are decoded…
    strict,  // what is malformed is text, as a reader that gives up sees it; base64 and quoted-printable in each of the ways in which readers decode them
    sweep,  // no structure at all: whatever looks like base64, quoted-printable or uuencode anywhere in the message is decoded
};

// Of the message itself; text is UTF-8 with RFC 2047 undone, cut at Limits::mail_text octets.
struct MailHead {
    std::vector<std::string> from;  // addresses alone, small letters: "ann@example.org"
    std::vector<std::string> to;  // of To and Cc
    std::string subject;
    std::string message_id;  // without "<>"
    std::size_t received = 0;  // Received fields: hops (RFC 5321 6.3)
    bool is_signed = false;  // DKIM-Signature
    std::size_t size = 0;  // octets up to and with the empty line
};

// A leaf, or one reading of it; or a message within the message that has a name, besides what is in it.
struct Part {
    std::size_t id = 0;  // counts from 0 over a reader's life
    std::string content_type;  // "application/pdf", small letters; "text/plain" where nothing is said
    std::vector<std::string>
        names;  // all that receivers may call it, without folders; the first is what most take. Maybe only known at its end
    bool is_attachment = false;  // it has a name, or is said to be an attachment, or is neither text nor shown inline in a multipart
    bool is_encrypted = false;  // only its receiver can read it. Maybe only known at its end
    bool is_alternative = false;  // the same content as another part's, read in another way: not an attachment of its own
};

// What a reader tells. Views live until the call returns. Several parts may be open at once (readings of the same octets); each begins once, has its
// data in order, and ends once.
class MailSink {
public:
    virtual ~MailSink() = default;
    virtual void on_head(const MailHead& head) = 0;  // once: the message's own head is over; never of Reading::sweep
    virtual void on_part(const Part& part) = 0;
    virtual void on_data(const Part& part, std::string_view decoded) = 0;
    virtual void on_part_end(const Part& part) = 0;
};

class MailReader {
public:
    // `sink` outlives it.
    MailReader(Reading reading, const Limits& limits, MailSink& sink);
    ~MailReader();
    MailReader(const MailReader&) = delete;
    MailReader& operator=(const MailReader&) = delete;

    // The next octets of the message, cut anywhere. Lines end with CRLF on the way; bare CR and LF occur where a sender may send binary. Time is
    // linear in the octets, memory bounded by the limits, whatever they are.
    void feed(std::string_view bytes);
    // No more comes: parts that are open end. Once.
    void finish();

    // In the enumeration's order, each once.
    const std::vector<Ambiguity>& ambiguities() const;
    // After `finish` of the usual reading: those that see something else, mostly none.
    std::vector<Reading> other_readings() const;

private:
    class State;
    std::unique_ptr<State> state_;
};

}  // namespace sluice::mime
