// SPDX-License-Identifier: Apache-2.0
// Decoded octets of a part on their way to the sink; and what is within them that mail's readers take out: files within a text, TNEF, what is signed
// with S/MIME, a message that is attached as a file. What is encrypted is told.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/mime/head_guess.h"
#include "protocols/mime/mail_output.h"

namespace sluice::mime {

class EmbeddedFiles;
class MailStructure;
class SmimeReader;
class TnefReader;

class PartContent {
public:
    // Begins the part, unless it is beyond the bounds: then nothing of it is told. `depth`: messages and parts that it was found in. `output` outlives
    // it. `may_embed`: it may have files within though it is no text.
    PartContent(Part part, std::size_t depth, MailOutput& output, bool may_embed = false);
    ~PartContent();
    PartContent(const PartContent&) = delete;
    PartContent& operator=(const PartContent&) = delete;

    void expect_entity();  // before its first octet: it is an entity with a head, as what S/MIME signs
    void feed(std::string_view decoded);
    void rename(std::vector<std::string> names) { part_.names = std::move(names); }  // before its end
    void finish();

    const Part& part() const { return part_; }
    bool has_files() const;  // within a text, so far

private:
    void look_at_beginning(std::string_view decoded);
    void begin_tnef();
    void begin_smime();
    void begin_mail();
    bool is_within(std::size_t depth);
    void feed_within(std::string_view decoded);

    MailOutput& output_;
    Part part_;
    std::size_t depth_;
    bool is_told_;
    bool is_mail_said_ = false;
    bool is_entity_ = false;

    bool is_looked_at_ = false;  // its beginning, which may be another format's
    std::string beginning_;
    std::optional<bool> is_tnef_;  // nothing: not known yet
    std::optional<bool> is_smime_;
    std::optional<bool> is_pgp_;
    std::optional<HeadGuess> guess_;  // whether it is mail

    std::unique_ptr<EmbeddedFiles> files_;
    std::unique_ptr<TnefReader> tnef_;
    std::unique_ptr<SmimeReader> smime_;
    std::unique_ptr<MailStructure> mail_;
};

}  // namespace sluice::mime
