// SPDX-License-Identifier: Apache-2.0
// One payload on its way through a worker: what comes is looked at as it passes, what may go on comes out. Knows no protocol and does no I/O.
//
// How a session uses it:
//   begin            what is known before the first byte
//   step             what came out before is gone: before the next ones
//   push             the next bytes; nothing comes out before `deliver` or `release`
//   is_identified    from then on `type` is what the content is: time for phase `payload`, which says how to deliver
//   end              no more comes
//   has_news         the verdict is to be judged: what was found cannot become better
//   release          the verdict lets it pass: all that waits comes out, and so does what still comes
// What comes out are views, into the bytes that were pushed or into this object: they live until the next `step`, and so must those bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/inspection.h"
#include "inspect/plan.h"
#include "inspect/retained.h"
#include "inspect/verdict.h"

namespace sluice::inspect {

class Payload {
public:
    using Views = std::vector<std::string_view>;

    explicit Payload(Bench& bench) : inspection_(bench) {}

    // `setup` and `memory` outlive the payload; the views of `declared` live until this returns.
    void begin(const Setup& setup, const Declared& declared, Budget& memory);
    void step();
    // `last`: nothing follows, so that what has to wait of it waits where it is, uncopied.
    void push(std::string_view bytes, bool last, Views& out);
    // `whole`: the payload is complete in itself; else it ends as `truncated`.
    void end(bool whole);

    // Enough has come to say what it is, or all of it. What comes later may show that it is something riskier: then it is held from there on.
    bool is_identified() const { return ended_ || inspection_.looked_at() >= enough_to_identify; }
    // Its source pauses: with a few bytes there the type is taken for what it seems.
    bool is_identified_by_pause() const { return is_identified() || inspection_.looked_at() >= enough_in_a_pause; }
    const MediaType& type() const { return inspection_.type(); }

    // Once, after it was identified: what may go now comes out.
    void deliver(const Delivery& delivery, Views& out);
    bool is_planned() const { return way_ != Way::waiting; }
    // Something waits that would not have to where its source pauses.
    bool gains_from_pause() const { return way_ == Way::waiting || (way_ == Way::delivering && delivery_.may_let_go && retained_.size() > 0); }
    // The source pauses (see Delivery::may_let_go).
    void pause(Views& out);

    // Something is known that a rule of phase `verdict` should judge now: at the end, or where it is infected or cannot be scanned any more.
    bool has_news() const { return way_ != Way::passing && (ended_ || inspection_.is_decided()); }
    const Outcome& outcome() const { return inspection_.outcome(); }
    const Inspection& inspection() const { return inspection_; }
    // Before `deliver`: the engine `signatures` is not for this payload; nor is any.
    void leave_out_signatures() { inspection_.leave_out_signatures(); }
    void skip(Views& out) {
        inspection_.skip();
        release(out);
    }
    void release(Views& out);

    std::uint64_t size() const { return size_; }         // bytes that came
    std::uint64_t released() const { return released_; }
    std::uint64_t waiting() const { return retained_.size(); }
    void clear();

private:
    // Bytes after which the first look at them is good enough: beyond every magic number but those of tar and iso.
    static constexpr std::uint64_t enough_to_identify = 512;
    static constexpr std::uint64_t enough_in_a_pause = 16;

    enum class Way : std::uint8_t { waiting, delivering, passing };
    void reconsider();
    std::size_t kept() const;
    void give(std::size_t keep, std::string_view bytes, bool last, Views& out);

    Inspection inspection_;
    Retained retained_;
    Delivery delivery_;
    Way way_ = Way::waiting;
    bool ended_ = false;
    std::uint64_t size_ = 0;
    std::uint64_t released_ = 0;
    std::string_view behind_;                            // of the last `push`: what waits behind all that is retained, uncopied
};

}  // namespace sluice::inspect
