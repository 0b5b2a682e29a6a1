-- | Names only.
module PostgREST.SchemaCache.Identifiers where

import Data.Text (Text)
import Prelude

type FieldName = Text
type Schema = Text
data QualifiedIdentifier = QualifiedIdentifier { qiSchema :: Text, qiName :: Text } deriving (Eq, Show)
