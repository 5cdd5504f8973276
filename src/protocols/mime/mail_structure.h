// SPDX-License-Identifier: Apache-2.0
// The structure of a message, in one reading: where its parts begin and end. Keeps a header section, and a line that may be a boundary; all else passes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "protocols/mime/boundary_scanner.h"
#include "protocols/mime/header_section.h"
#include "protocols/mime/mail_entity.h"
#include "protocols/mime/mail_leaf.h"
#include "protocols/mime/mail_levels.h"
#include "protocols/mime/mail_output.h"

namespace sluice::mime {

class MailContainer;

class MailStructure {
public:
    // A message, or an entity of another place, `depth` messages and multiparts deep in others; 0: the whole, whose head is told. `is_alternative`:
    // all that is in it. `is_guessed`: nothing says that it is mail. `output` outlives it.
    MailStructure(std::size_t depth, MailOutput& output, Place place = Place::message, bool is_alternative = false,
                  bool is_guessed = false);
    // The content of `entity`, a container whose transfer coding is undone.
    MailStructure(const MailEntity& entity, std::size_t depth, MailOutput& output, bool is_alternative);
    ~MailStructure();

    void feed(std::string_view bytes);
    void finish();

private:
    enum class Where : std::uint8_t {
        header,
        leaf,
        between,  // before a multipart's first part, or behind its last
        container,  // read by a reader of its own
    };

    void header(std::string_view& in);
    void header_line();
    void header_over();
    void body(std::string_view& in);
    void boundary_or_content(const BoundaryScanner::Piece& piece);
    void give(std::string_view data);
    void look_between(std::string_view data);
    void line_between();

    void begin_header(Place place);
    void begin_content(const MailEntity& entity);
    void begin_leaf(const MailEntity& entity);
    bool is_encrypted() const;
    void end_content();
    void boundary(BoundaryMatch match);

    MailOutput& output_;
    std::size_t depth_;
    Where where_ = Where::header;
    Place place_ = Place::message;
    HeaderSection header_;
    bool is_head_told_;
    bool is_alternative_;
    bool has_body_ = false;  // something came behind the first head
    std::optional<std::size_t> encrypted_level_;  // the outermost multipart/encrypted
    MailLevels levels_;
    BoundaryScanner scanner_;
    std::unique_ptr<MailLeaf> leaf_;
    std::unique_ptr<MailContainer> container_;
    std::string between_;  // the beginning of the current line between parts
};

}  // namespace sluice::mime
