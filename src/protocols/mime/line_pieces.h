// SPDX-License-Identifier: Apache-2.0
// Octets in pieces that do not depend on where they were cut before: lines, or what is as long as one may be. For several that hear the same octets and
// share a bound: who reaches it first must not depend on the cuts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace sluice::mime {

class LinePieces {
public:
    explicit LinePieces(std::size_t longest) : longest_(longest) {}

    // Calls `give` with each piece that is whole: a view that lives until it returns.
    template <class Give>
    void feed(std::string_view in, Give&& give) {
        while (!in.empty()) {
            const std::size_t end = std::min(in.find('\n'), in.size());
            const std::size_t size = std::min(end == in.size() ? end : end + 1, longest_ - held_.size());
            const std::string_view now = in.substr(0, size);
            in.remove_prefix(size);
            const bool is_whole = now.ends_with('\n') || held_.size() + size == longest_;
            if (is_whole && held_.empty()) {
                give(now);
                continue;
            }
            held_ += now;
            if (!is_whole) return;
            give(std::string_view(held_));
            held_.clear();
        }
    }
    // The last one, which has no end.
    std::string_view rest() const { return held_; }

private:
    std::size_t longest_;
    std::string held_;
};

}  // namespace sluice::mime
