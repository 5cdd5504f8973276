// SPDX-License-Identifier: Apache-2.0
// One request to an ICAP server and its answer, over one connection. Blocks as the connection does.
//
// Both ways at once: a server may answer, or send back what it gets, while it is still being sent to (RFC 3507 4.4). Only a piece of the object and a piece
// of the answer are in memory, besides heads.
#pragma once

#include "inspect/object.h"
#include "inspect/outside/engine_connection.h"
#include "inspect/verdict.h"
#include "protocols/icap/answer_reader.h"
#include "protocols/icap/icap.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::inspect {

class IcapConversation {
public:
    enum class End : std::uint8_t {
        judged,
        refused,  // the server will not do that, now or later
        lost,  // no verdict: the connection broke, the server failed, or what it says makes no sense
        late,
        unreadable,  // not all of the object can be read
    };

    IcapConversation(EngineConnection& connection, const Limits& limits) : connection_(connection), reader_(limits) {}

    End ask_options(const icap::Service& service, icap::Options& out);
    // `outcome` is set for judged: clean or infected.
    End ask(const icap::Service& service, const icap::Message& message, const Object& object, const icap::Options& options,
            Outcome& outcome);

    // Whether another request may follow.
    bool keeps_connection() const { return keeps_ && is_sent() && unread_.empty(); }
    bool has_heard() const { return has_heard_; }
    // Of refused and lost: why, for people.
    const std::string& why() const { return why_; }
    // What the answer said of the service's state; empty: nothing.
    const std::string& istag() const { return reader_.response().options.istag; }

private:
    using Piece = icap::AnswerReader::Piece;

    End begin(std::string head, const Object& object, std::uint64_t at, std::uint64_t end, std::string_view behind);
    bool fill();
    bool is_sent() const { return is_filled_ && rest_.empty(); }
    End step();
    End next(Piece& piece);
    End hear();
    End judge(const icap::Message& message, Outcome& outcome);
    End compare(const icap::Message& message, bool& is_same);
    End lose(std::string_view why);
    End lose_by_status(int status);

    EngineConnection& connection_;
    icap::AnswerReader reader_;
    Object object_;
    // What goes out: `bytes_`, of which `rest_` is left, then the object's octets from `at_` to `end_` in chunks, then `behind_`.
    std::string bytes_;
    std::string_view rest_;
    std::uint64_t at_ = 0;
    std::uint64_t end_ = 0;
    std::string_view behind_;
    bool is_filled_ = false;  // all of it is in `bytes_`, or gone
    // What has come, of which `unread_` is left.
    std::string buffer_;
    std::string_view unread_;
    std::string why_;
    bool keeps_ = false;
    bool has_heard_ = false;
};

}  // namespace sluice::inspect
