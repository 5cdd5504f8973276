// SPDX-License-Identifier: Apache-2.0
// What receivers of mail may call an attachment.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::mime {

// Collects names: none twice, none with a folder, at most `most`, the last among them.
class MailNames {
public:
    MailNames(std::size_t most, std::size_t most_octets) : most_(most), most_octets_(most_octets) {}

    // With what those make of it who undo encoded words, escapes and NULs, or take out what is not seen, in the order in which most prefer it. False: an
    // encoded word in it is broken.
    bool add(std::string_view name);
    const std::vector<std::string>& names() const { return names_; }
    bool is_cut() const { return is_cut_; }  // there were more

private:
    void add_text(std::string text);
    void add_as_it_is(std::string_view name);
    void keep(std::string name);

    std::size_t most_;
    std::size_t most_octets_;
    std::vector<std::string> names_;
    bool is_cut_ = false;
};

}  // namespace sluice::mime
