// SPDX-License-Identifier: Apache-2.0
// The conditions of all rules, arranged by the occasions at which they are judged. An occasion's facts are looked at once, field by field;
// what holds there says which rules can hold at all (those that need something rarer than they have are never touched), and
// these are tried in file order.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "policy/condition.h"
#include "policy/facts.h"
#include "policy/lists/lists.h"
#include "policy/rule.h"
#include "policy/slot_index.h"

namespace sluice::policy {

// The occurrences of phases that are told apart, in the order of an HTTP request's walk. `connected`: phase `request` of a CONNECT, where those
// rules that had judged it at `named` are not asked again. `recipient`: that phase for one of SMTP's recipients, where those that had judged the sender
// stand in their places: what they allow they allow from there on.
enum class Occasion : std::uint8_t { accept, named, tls, request, connected, recipient, dial, response, payload, verdict };
inline constexpr std::size_t occasion_count = 10;
Occasion occasion_of(Phase phase, Protocol protocol, const Facts& facts);

// When a rule is judged, by protocol; Moment::never: not at all. HTTP's `named` means: a CONNECT when it comes, other requests in `request`.
using Moments = std::array<Moment, protocol_count>;

// Room that an evaluation works in; belongs to a worker.
struct Workspace {
    std::vector<std::uint64_t> bits;  // for what one pass notes, see Program::Run
    std::vector<std::uint64_t> list_bits;  // a bit a list
    std::string lowered;

    // The atoms that held for the last address of each of the two address fields: clients ask more than once.
    struct Remembered {
        std::uint64_t program = 0;  // its serial; 0: nothing is remembered
        SlotId slot = 0;
        IpAddress address;
        std::vector<AtomId> atoms;
    };
    std::array<Remembered, 2> remembered;
};

class Program {
public:
    // Rules by their index in the file.
    Program(AtomTable table, std::vector<Condition> conditions, std::span<const Moments> moments, std::shared_ptr<const Lists> lists);

    struct Judged {  // the rules of one occasion
        std::vector<std::uint32_t> rules;  // indexes in the file, ascending
        std::vector<std::uint64_t> always;  // a bit for each of `rules` that no index finds
        std::vector<std::uint32_t> post_starts, posts;  // by atom: the places in `rules` that it makes candidates
        std::vector<SlotId> slots;  // those that are looked at first
    };
    const Judged& judged(Protocol protocol, Occasion occasion) const {
        return judged_[static_cast<std::size_t>(protocol)][static_cast<std::size_t>(occasion)];
    }
    const std::vector<BodyPattern>& body_patterns() const { return table_.body_patterns(); }
    // The name of a field that the rule reads and that is not known; empty if there is none.
    std::string_view missing_field(std::uint32_t rule, const Facts& facts) const;

    // One pass over one occasion. Facts may gain tags on the way: `tags_changed`.
    class Run {
    public:
        Run(const Program& program, const Judged& judged, const Facts& facts, Workspace& space);
        // The next rule (its index in the file) not before `from` whose condition holds.
        std::optional<std::uint32_t> next(std::uint32_t from);
        bool holds(std::uint32_t rule);  // tried in any case, for traces
        void tags_changed();

    private:
        bool holds_atom(AtomId id);
        bool compute(AtomId id);
        bool test(const Atom& atom, const Slot& slot, std::string_view value);
        void probe(SlotId id);
        void probe_headers(Field field);
        void probe_value(const SlotIndex& index, std::string_view value);
        void probe_address(SlotId id, const SlotIndex& index);
        void fire(AtomId id);
        std::string_view as_slot(const Slot& slot, std::string_view value);
        template <class F>
        bool each_text(const Slot& slot, F&& each);

        const Program& program_;
        const Judged& judged_;
        const Facts& facts_;
        Workspace& space_;
        // In `space_.bits`, cleared at once.
        std::uint64_t* truth_;  // a bit an atom: it holds
        std::uint64_t* known_;  // … it was computed
        std::uint64_t* possible_;  // … a hint says that it may hold
        std::uint64_t* probed_;  // a bit a slot: its index was asked
        std::uint64_t* candidates_;  // a bit a rule of the occasion
    };

private:
    enum class Look : std::uint8_t { always, indexed, hinted, computed };
    struct Hot {
        SlotId slot;
        Look look;
    };
    // From a header's name to its slots.
    struct Headers {
        EqualityIndex names;  // ids are slots
        std::vector<SlotId> slots;
        std::uint64_t first_bytes = 0;  // of names, folded to 64
        std::size_t longest = 0;
    };

    void build_judged(std::span<const Moments> moments);

    AtomTable table_;
    std::vector<Condition> conditions_;
    std::vector<Hot> hot_;  // by atom
    std::vector<SlotIndex> indexes_;  // by slot
    std::array<Headers, 2> headers_;  // request, response
    std::vector<SlotId> tags_slots_;
    std::shared_ptr<const Lists> lists_;
    std::size_t list_words_ = 0;
    std::array<std::array<Judged, occasion_count>, protocol_count> judged_;
    std::uint64_t serial_;  // of this program in the process
};

}  // namespace sluice::policy
