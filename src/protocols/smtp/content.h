// SPDX-License-Identifier: Apache-2.0
// A message's octets on the wire (RFC 5321 4.1.1.4, 4.5.2; RFC 3030): read from DATA or BDAT, and written for either. CRLF "." CRLF alone ends what DATA
// begins, in and out: what other readers might take for an end is told as a fault, and whoever forwards does not forward it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice::smtp {

// What no message may hold that goes through DATA; the first that came, or NUL wherever it came.
enum class ContentFault : std::uint8_t {
    none,
    bare_cr,  // CR without LF behind it
    bare_lf,  // LF without CR before it
    nul,
};

// In the order in which they are to be joined; into the octets that were fed, or literals. At most two for each octet fed.
using Views = std::vector<std::string_view>;

class ContentReader {
public:
    enum class Source : std::uint8_t { data, bdat };
    // `normalises`: a bare LF becomes CRLF, and no dot behind it means anything. `is_binary`: any octets are fine (BINARYMIME, of BDAT alone).
    ContentReader(Source source, bool normalises, bool is_binary)
        : source_(source),
          normalises_(normalises),
          is_binary_(is_binary && source == Source::bdat) {}

    // Takes octets from the front of `in`: all of them, or up to the end of the message. What they say goes to `out`, dots undone. After a fault
    // the end is still looked for, and nothing more comes out.
    void feed(std::string_view& in, Views& out);
    // Of DATA: CRLF "." CRLF has come.
    bool has_ended() const { return has_ended_; }
    // Of BDAT: the last chunk has been fed; a CR may still be without its LF.
    void finish();
    ContentFault fault() const { return fault_; }

private:
    enum class At : std::uint8_t { line_start, dot, dot_cr, text, cr };
    void take(std::string_view piece, Views& out) {
        if (fault_ == ContentFault::none && !piece.empty()) out.push_back(piece);
    }
    void note(ContentFault fault) {
        if (fault_ == ContentFault::none || fault == ContentFault::nul) fault_ = fault;
    }
    void feed_text(std::string_view& in, Views& out);

    Source source_;
    bool normalises_;
    bool is_binary_;
    At at_ = At::line_start;
    bool has_ended_ = false;
    ContentFault fault_ = ContentFault::none;
};

// Content for a server's DATA: a dot before each line that begins with one. Precondition: what a ContentReader gave that found no fault and is not
// binary, or our own octets, in which CR and LF come only together.
class DotStuffer {
public:
    void feed(std::string_view in, Views& out);
    // The end of the message, behind what was fed: with the CRLF that its last line may lack.
    std::string_view end() const;

private:
    bool is_line_start_ = true;
};

struct Chunk {
    std::uint64_t size = 0;
    bool is_last = false;
};
// BDAT's argument: "n" or "n LAST". nullopt: neither; how many octets follow is not known then.
std::optional<Chunk> parse_chunk(std::string_view argument);

}  // namespace sluice::smtp
