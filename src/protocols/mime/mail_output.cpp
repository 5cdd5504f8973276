// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mail_output.h"

#include <algorithm>

namespace sluice::mime {
namespace {

template <class T>
void insert_sorted(std::vector<T>& into, T value) {
    const auto at = std::ranges::lower_bound(into, value);
    if (at == into.end() || *at != value) into.insert(at, value);
}

}  // namespace

void MailOutput::note(Ambiguity ambiguity) { insert_sorted(ambiguities_, ambiguity); }

void MailOutput::note(Ambiguity ambiguity, Reading wanted) {
    note(ambiguity);
    want(wanted);
}

void MailOutput::note(Ambiguity ambiguity, Reading wanted, Reading wanted_too) {
    note(ambiguity, wanted);
    want(wanted_too);
}

void MailOutput::want(Reading reading) {
    if (reading_ == Reading::usual) insert_sorted(wanted_, reading);
}

// Each of them has every octet of the innermost once more, and for each reading of a leaf again.
bool MailOutput::open_nested() {
    if (nested_ == limits_.mail_depth / 4) {
        note(Ambiguity::too_deep);
        return false;
    }
    ++nested_;
    return true;
}

bool MailOutput::begin(Part& part) {
    std::size_t& count = part.is_alternative ? alternatives_ : parts_;
    if (count == (part.is_alternative ? limits_.mail_ambiguous_parts : limits_.mail_parts)) {
        note(Ambiguity::too_many);
        return false;
    }
    ++count;
    part.id = next_id_++;
    sink_.on_part(part);
    return true;
}

}  // namespace sluice::mime
