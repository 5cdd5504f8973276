// SPDX-License-Identifier: Apache-2.0
#include "inspect/clamd/clamd.h"

#include "inspect/clamd/clamd_reply.h"
#include "inspect/outside/engine_connection.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

namespace sluice::inspect {

namespace {

using std::string_view_literals::operator""sv;
using std::chrono::steady_clock;
using Status = EngineConnection::Status;

constexpr std::size_t chunk_bytes = 64 * 1024;  // of INSTREAM

Outcome unscannable(Reason reason) { return Outcome::unscannable(reason, clamd_engine); }

// clamd says OK of a descriptor that it cannot read.
bool is_readable(const Object& object) {
    const int flags = ::fcntl(object.descriptor, F_GETFL);
    struct stat status{};
    return flags >= 0 && (flags & O_ACCMODE) != O_WRONLY && ::fstat(object.descriptor, &status) == 0 &&
           static_cast<std::uint64_t>(status.st_size) >= object.size;
}

void append_length(std::string& bytes, std::size_t length) {
    for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes.push_back(static_cast<char>(length >> shift & 0xffU));
}

bool append_content(std::string& bytes, const Object& object, std::uint64_t at, std::size_t length) {
    std::size_t filled = bytes.size();
    bytes.resize(filled + length);
    while (filled < bytes.size()) {
        const auto got = ::pread(object.descriptor, bytes.data() + filled, bytes.size() - filled, static_cast<off_t>(at));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        filled += static_cast<std::size_t>(got);
        at += static_cast<std::uint64_t>(got);
    }
    return true;
}

// INSTREAM: chunks, each behind its length in network order; one of length 0 ends them. nullopt: the object cannot be read.
std::optional<Status> stream(EngineConnection& connection, const Object& object) {
    std::string bytes("zINSTREAM\0"sv);
    for (std::uint64_t at = 0;;) {
        const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(chunk_bytes, object.size - at));
        if (length > 0) append_length(bytes, length);
        if (!append_content(bytes, object, at, length)) return std::nullopt;
        at += length;
        if (at == object.size) append_length(bytes, 0);
        const Status status = connection.send(bytes);
        if (status != Status::done || at == object.size) return status;
        bytes.clear();
    }
}

}  // namespace

// nullopt: clamd has said nothing that counts; ask again.
std::optional<Outcome> Clamd::ask(const Object& object, Time deadline, bool& spoke) const {
    const bool is_local = !options_.socket.empty();
    EngineConnection connection(deadline);
    std::optional<Status> status =
        is_local ? connection.connect_local(options_.socket) : connection.connect_remote(options_.host, options_.port);
    if (status == Status::done) {
        // clamd maps the object from its beginning, wherever the descriptor's offset stands. The second NUL is the byte the descriptor belongs to.
        status = is_local ? connection.send("zFILDES\0\0"sv, object.descriptor) : stream(connection, object);
    }
    if (!status) return unscannable(Reason::overloaded);
    const bool is_whole = status == Status::done;
    std::string reply;
    if (status == Status::done || status == Status::answered) {
        do status = connection.receive(reply, clamd_reply_bytes - reply.size());
        while (status == Status::done && reply.size() < clamd_reply_bytes && !reply.contains('\0'));
    }
    if (status == Status::timed_out) return unscannable(Reason::timeout);
    if (status != Status::done) return std::nullopt;
    spoke = true;
    std::optional<Outcome> outcome = outcome_of_clamd_reply(reply);
    // Nobody can know that of an object before its end.
    if (outcome && outcome->verdict == Verdict::clean && !is_whole) return unscannable(Reason::engine_down);
    return outcome;
}

Outcome Clamd::scan(const Object& object, Time deadline) const {
    if (object.size > options_.max_size) return unscannable(Reason::too_large);
    if (!is_readable(object)) return unscannable(Reason::truncated);
    if (steady_clock::now() >= deadline) return unscannable(Reason::timeout);
    return outage_.ask(clamd_engine, deadline, [&](bool& spoke) { return ask(object, deadline, spoke); });
}

}  // namespace sluice::inspect
