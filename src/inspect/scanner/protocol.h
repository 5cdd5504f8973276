// SPDX-License-Identifier: Apache-2.0
// What the proxy, the supervisor and the scanners say to one another, each message one packet of a SOCK_SEQPACKET socket. Every kind of message has
// one size; texts are bounded and padded with zeros. Nothing here does I/O.
//
//   supervisor → proxy    Diagnosis (as many as there are), then Ready, or its end; then Born for each scanner, with its socket and its pidfd
//   scanner → proxy       Hello once it is in its sandbox, or a Diagnosis and its end; for each job Found for each member of an archive, then Done
//   proxy → scanner       Job, with the object's descriptor. One at a time
//
// A scanner has read hostile bytes and is not believed: what is not exactly a message, or holds a value outside its set, is `malformed`, and whoever
// said it is killed. Lengths beyond a bound are cut by who encodes, and refused by who decodes.
#pragma once

#include "base/diagnostic.h"
#include "base/limits.h"
#include "base/result.h"
#include "inspect/scanner/member.h"
#include "inspect/scanner/scan_limits.h"
#include "inspect/verdict.h"

#include "protocols/mime/multipart.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace sluice::inspect::protocol {

// Bounds, in octets unless they say otherwise.
inline constexpr std::size_t name_size = 1024;  // an object's name, a member's path: a longer one keeps its end, where the extension is
inline constexpr std::size_t threat_size = 256;
inline constexpr std::size_t match_size = 128;
inline constexpr std::size_t matches_max = Limits{}.scan_matches;  // names, of one member, or of an object with all its members
inline constexpr std::size_t text_size = 1024;  // of a diagnostic: each of file, message and line
inline constexpr std::size_t boundary_size = 70;  // RFC 2046 5.1.1
inline constexpr std::size_t message_size = 16 * 1024;  // no message is longer

using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC: the same in all processes of a machine

// Which engines look at an object. EICAR's string is looked for whatever is set. `signatures`: at its members; the object itself was searched.
struct Engines {
    bool signatures = true;
    bool yara = true;
    bool archives = true;
    bool operator==(const Engines&) const = default;
};

// What goes wrong on order, for tests.
enum class Fault : std::uint8_t { none, crash, hang };

// The size is the object's; one of another size is `truncated`.
struct Job {
    std::uint64_t id = 0;
    std::uint64_t size = 0;
    Clock::time_point deadline{};  // the scanner gives up then, and is killed if it does not
    Engines engines;
    Fault fault = Fault::none;
    bool wants_members = false;  // Found for each member
    bool wants_digests = false;  // with its SHA-256
    ScanLimits limits;
    std::uint64_t rules_generation = 0;  // of the patterns of `body` that are asked for (PatternSet::rules_generation); 0: of none
    mime::MultipartType multipart;
    std::string name;  // as the payload is called, for YARA's externals; may be empty
    bool operator==(const Job&) const = default;
};

struct Hello {
    bool operator==(const Hello&) const = default;
};

struct Found {
    std::uint64_t job = 0;
    Member member;
    bool operator==(const Found&) const = default;
};

struct Done {
    std::uint64_t job = 0;
    Outcome outcome;
    std::uint32_t members = 0;  // looked at, all depths
    std::uint64_t unpacked = 0;  // octets, all members
};

struct Ready {
    std::uint32_t rules = 0;  // YARA rules that were compiled
    std::uint64_t compile_milliseconds = 0;
    bool operator==(const Ready&) const = default;
};

struct Diagnosis {
    Diagnostic diagnostic;
};

// Comes with two descriptors: the scanner's socket, and its pidfd.
struct Born {
    std::int32_t pid = 0;
    bool operator==(const Born&) const = default;
};

using Message = std::variant<Job, Hello, Found, Done, Ready, Diagnosis, Born>;

// One packet.
std::string encode(const Message& message);
// malformed: not exactly one message.
Result<Message> decode(std::string_view packet);

}  // namespace sluice::inspect::protocol
